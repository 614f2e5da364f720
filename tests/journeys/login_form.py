"""A phone in front of a router's own login page: what a browser without scripts sees there, and what it sends."""

from __future__ import annotations

import re
from html import unescape

from core import login_page, network, vouchers
from core.app import App
from core.catalog import on_sale
from sim.routeros import VirtualRouter
from sim.routeros.phones import Phone, Reply

PAGES, LOGIN = "flash/hotspot", "http://10.20.0.1/login"
_FORM = re.compile(r'<form method="post" action="([^"]*)">(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input [^>]*name="(\w+)"(?: value="([^"]*)")?')


def give_wifi(router: VirtualRouter, app: App, tenant_id: int) -> None:
    """Addresses for phones, and our pages as the router would have fetched them."""
    router.run("/ip/pool/add", name="phones", ranges="10.20.9.2-10.20.9.250")
    router.run("/ip/dhcp-server/add", name="phones", interface="bridge", address_pool="phones", disabled="no")
    with app.work(tenant_id) as uow:
        pages = login_page.files(network.blueprint_of(uow, network.find_router(uow, "market")))
    for name, text in pages.items():
        router.files.write(f"{PAGES}/{name}", text.encode())


def issue(app: App, tenant_id: int) -> str:
    """A voucher for the package on sale."""
    with app.work(tenant_id) as uow:
        return vouchers.issue(uow, on_sale(uow)[0])


def join(router: VirtualRouter, mac: str) -> Phone:
    """A phone joins; it knocks and is refused."""
    phone = router.around.plug_cable("bridge", mac)
    router.settle()
    return phone


def type_code(phone: Phone, code: str, page: Reply | None = None) -> Reply:
    """Fills in the form of the login page and sends it, as any browser does."""
    page = page or phone.get(LOGIN)
    form = _FORM.search(page.text)
    assert page.by_router and form is not None, page.text
    fields = {name: unescape(value) for name, value in _FIELD.findall(form[2])}
    assert fields == {"username": phone.mac, "password": ""}
    return phone.post(unescape(form[1]), fields | {"password": code})


def told_by(page: Reply) -> str:
    """What the page says first: that it worked, or what went wrong."""
    found = re.search(r"<p><b>([^<]*)</b></p>", page.text)
    return "" if found is None else unescape(found[1])
