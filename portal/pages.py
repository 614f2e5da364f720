"""`GET /p/<site>`: where a router's login page sends a phone. What is sold here, and how to buy it without a smartphone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, make_response, render_template, request

from core import catalog, network, tenants
from core.app import App
from core.catalog import MAC, Package
from core.texts import catalogue, duration, volume
from core.uow import UnitOfWork
from portal.grace import SAID

TEXTS = catalogue(Path(__file__).parent / "texts")
BUY = {"en": "BUY", "sw": "NUNUA"}
"""The keyword of an SMS that buys; the ussd door understands it in all languages."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_MAC = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Offer:
    """A package as the page shows it."""

    code: str
    name: str
    price: str
    contents: str


def blueprint(app: App) -> Blueprint:
    """The arrival page. 404 for a place nobody has; `r` (a router's key) tells two ISPs with places of one name apart.

    Everything in the address can be forged by whoever sits before the browser (routeros.md §3.5): it is only ever shown.
    """
    pages = Blueprint("pages", __name__)

    @pages.get("/p/<site>")
    def arrival(site: str) -> Response:
        with app.look(None) as uow:
            place = network.place_called(uow, site, router_key=request.args.get("r", ""))
        if place is None:
            abort(404)
        with app.look(place.tenant_id) as uow:
            return _page(uow, place.name)

    return pages


def _page(uow: UnitOfWork, place: str) -> Response:
    tenant, settings = tenants.current(uow), tenants.settings_of(uow)
    wanted = request.args.get("l", "")
    language = next((each for each in (wanted, tenant.language) if each in TEXTS.languages), TEXTS.languages[0])
    say = partial(TEXTS.say, language)
    account = settings.africastalking
    text = render_template(
        "arrival.html", say=say, language=language, shop=tenant.name, place=place if place != tenant.name else "",
        offers=[_offer(language, each) for each in catalog.on_sale(uow) if each.service == MAC],
        dial=(account and account.service_code) or "", number=(account and account.short_code) or "",
        grace=_grace(settings, language), keyword=BUY[language], short=_short(request.args.get("mac", "")), help_line=settings.help_line,
        others=[
            {"code": code, "name": TEXTS.say(code, "language_name"), "query": urlencode(_kept() | {"l": code})}
            for code in TEXTS.languages
            if code != language
        ],
    )  # fmt: skip
    answer = make_response(text)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Access-Control-Allow-Origin"] = "*"  # a router's login page looks whether this one is there
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _offer(language: str, what: Package) -> Offer:
    data = TEXTS.say(language, "unlimited")
    if what.quota_bytes is not None:
        data = TEXTS.say(language, "data", data=volume(what.quota_bytes))
    devices = TEXTS.say(language, "devices" if what.device_limit > 1 else "device", count=what.device_limit)
    return Offer(what.code, what.name, str(what.price), f"{duration(what.duration_seconds)}, {data}, {devices}")


def _grace(settings: tenants.TenantSettings, language: str) -> dict[str, str]:
    """What came of asking for minutes to pay in, else the offer of them to a device that names itself; empty: neither."""
    said, mac = request.args.get("g", ""), request.args.get("mac", "")
    minutes = settings.grace_minutes
    if minutes is None or not network.grace_is_offered(settings):
        return {}
    if said in SAID:
        return {"said": TEXTS.say(language, said, minutes=minutes)}
    return (
        {"minutes": str(minutes), "mac": mac, "r": request.args.get("r", ""), "l": language}
        if _MAC.fullmatch(mac)
        else {}
    )


def _short(mac: str) -> str:
    """The last four signs, by which the list of a dialled menu calls this device; empty when it is no address."""
    return mac[-5:].replace(":", "") if _MAC.fullmatch(mac) else ""


def _kept() -> dict[str, str]:
    """What the address said and another language of the same page needs again."""
    return {name: request.args[name][:64] for name in ("r", "mac") if name in request.args}
