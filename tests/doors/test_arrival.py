"""The page a phone lands on: small, honest, escaped, never cached, and nobody's when nobody has that place."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from core import catalog, network, tenants
from core.config import Settings
from core.tenants import AfricasTalkingAccount, TenantSettings
from portal.app import create_app
from tests.core.kit import ACCOUNTS, Shop, open_shop, shillings

WEIGHT_BYTES_MAX = 14_000
MAC = "02:00:5E:10:A1:B2"


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    shop = open_shop(settings)
    with shop.work() as uow:
        tenants.add_site(uow, "market", "Market square")
        shop.package(uow, quota_bytes=500_000_000)
        shop.package(uow, code="DAY", price=50, hours=24, device_limit=3)
    yield shop
    shop.app.close()


@pytest.fixture
def door(shop: Shop) -> FlaskClient:
    return create_app(shop.app).test_client()


def seen(door: FlaskClient, path: str = "/p/market") -> str:
    answer = door.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def test_what_is_on_sale_stands_there_with_its_price_and_how_to_buy_it(door: FlaskClient) -> None:
    page = seen(door)
    assert "Kiosk" in page and "Market square" in page
    assert "<b>KES 20</b>3 hours<small>3h, 500MB of data, 1 device</small>" in page
    assert "<b>KES 50</b>24 hours<small>1d, unlimited data, 3 devices</small>" in page
    assert "dial *384*35711# and choose" in page
    assert "Paid already?" in page


def test_who_has_a_short_code_sells_by_sms_too(shop: Shop, door: FlaskClient) -> None:
    assert "SMS" not in seen(door)
    with shop.work() as uow:
        account = AfricasTalkingAccount(username="kiosk", api_key="k", short_code="22999")
        tenants.change_settings(uow, TenantSettings(africastalking=account, help_line="0700 000 000"))
    page = seen(door)
    assert "send an SMS: BUY 3H to 22999" in page
    assert "dial" not in page
    assert "Help: 0700 000 000" in page


def test_a_package_for_a_line_or_out_of_sale_is_not_offered_to_a_phone(shop: Shop, door: FlaskClient) -> None:
    with shop.work() as uow:
        shop.package(uow, code="HOME", price=1500, hours=720, service="ppp")
        catalog.withdraw(uow, catalog.by_code(uow, "DAY"))  # type: ignore[arg-type]
    page = seen(door)
    assert "1,500" not in page and "24 hours" not in page
    with shop.work() as uow:
        catalog.withdraw(uow, catalog.by_code(uow, "3H"))  # type: ignore[arg-type]
    assert "Nothing is on sale just now." in seen(door)


def test_the_page_speaks_the_isps_language_and_offers_the_others(shop: Shop, door: FlaskClient) -> None:
    with shop.work() as uow:
        tenants.current(uow).language = "sw"
    page = seen(door, f"/p/market?mac={MAC}")
    assert '<html lang="sw">' in page and "piga *384*35711#" in page
    assert f"?mac={MAC.replace(':', '%3A')}&l=en" in page
    assert "dial *384*35711#" in seen(door, "/p/market?l=en")
    assert "piga *384*35711#" in seen(door, "/p/market?l=../../etc/passwd")


def test_it_is_light_wants_no_script_and_nobody_keeps_it(door: FlaskClient) -> None:
    answer = door.get("/p/market")
    assert len(answer.data) < WEIGHT_BYTES_MAX and len(gzip.compress(answer.data)) < 2_000
    text = answer.get_data(as_text=True)
    assert "<script" not in text and "http:" not in text and "src=" not in text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_device_is_called_as_in_the_dialled_menu(door: FlaskClient) -> None:
    assert "This device is called A1B2" in seen(door, f"/p/market?mac={MAC}&ip=10.20.0.7")


@pytest.mark.parametrize(
    "attack",
    [
        "mac=<script>alert(1)</script>",
        "mac=" + "A" * 5000,
        "mac=02:00:5E:10:A1:B2%0aX",
        "l=<script>alert(1)</script>&r=<script>alert(1)</script>",
        "to=http://evil.example/&error=<script>alert(1)</script>",
        "r=%00&mac=%ff%fe",
    ],
)
def test_whatever_stands_in_the_address_is_shown_to_nobody(door: FlaskClient, attack: str) -> None:
    answer = door.get(f"/p/market?{attack}")
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    assert "<script" not in text and "evil.example" not in text and "is called" not in text


def test_names_of_an_isp_and_its_packages_are_escaped(shop: Shop, door: FlaskClient) -> None:
    with shop.work() as uow:
        tenants.current(uow).name = "<b>O'Neil</b> {{ 7*7 }}"
        catalog.publish(uow, code="X", name="<i>&</i>", price=shillings(5), duration_seconds=3600)
    text = door.get("/p/market").get_data(as_text=True)
    assert "<b>O" not in text and "<i>" not in text and "{{ 7*7 }}" in text


@pytest.mark.parametrize(
    "path", ["/p/", "/p/nowhere", "/p/%00", "/p/" + "m" * 3000, "/p/market/x", "/p/MARKET", "/p/'--"]
)
def test_a_place_nobody_has_is_not_found(door: FlaskClient, path: str) -> None:
    assert door.get(path).status_code == 404


def test_the_page_only_shows(door: FlaskClient) -> None:
    assert door.post("/p/market").status_code == 405


def test_of_two_isps_with_a_place_of_one_name_the_router_tells_which(shop: Shop, door: FlaskClient) -> None:
    other = open_shop(shop.app.settings, "rival", shop.app)
    with other.work() as uow:
        site = tenants.add_site(uow, "market", "Rival's market")
        router = network.add_router(
            uow, name="r", host="10.9.0.2", username="u", password="p", nas_address="10.9.0.2", site_id=site.id
        )
        key = router.public_key
    assert door.get("/p/market").status_code == 404
    assert "Rival" in seen(door, f"/p/market?r={key}")
    assert door.get(f"/p/market?r={'0' * 32}").status_code == 404


def test_an_isp_without_any_account_says_so_instead_of_nonsense(shop: Shop, door: FlaskClient) -> None:
    with shop.work() as uow:
        tenants.change_settings(uow, TenantSettings.model_validate(ACCOUNTS.model_dump() | {"africastalking": None}))
    assert "Ask here how to buy." in seen(door)


# ---- minutes to pay in -------------------------------------------------------------------------------------------------


@pytest.fixture
def lending(shop: Shop) -> Shop:
    """Phones may take five minutes to pay by card in, and one waits at the market."""
    with shop.work() as uow:
        tenants.change_settings(uow, ACCOUNTS.model_copy(update={"grace_minutes": 5, "grace_page": True}))
        row = network.add_router(
            uow, name="market", host="10.8.0.2", username="duka", password="x", nas_address="10.8.0.2"
        )
        network.change_router(uow, row, site_id=tenants.sites(uow)[0].id)
        network.seen(uow, row.id, MAC)
    return shop


def pressed(door: FlaskClient, page: str) -> str:
    """The button of this page; what stands on the page it leads to."""
    where = re.search(r'<form method="post" action="([^"]+)">', page)
    assert where is not None
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    answer = door.post(where[1], data=fields)
    assert answer.status_code == 303
    assert seen(door, answer.headers["Location"]) == seen(door, answer.headers["Location"]), (
        "read again, nothing happens"
    )
    return seen(door, answer.headers["Location"])


def test_nobody_is_offered_minutes_to_pay_in_where_no_card_needs_them(shop: Shop, door: FlaskClient) -> None:
    assert "<form" not in seen(door, f"/p/market?mac={MAC}")
    with shop.work() as uow:
        tenants.change_settings(uow, ACCOUNTS.model_copy(update={"grace_minutes": 5}))
    assert "<form" not in seen(door, f"/p/market?mac={MAC}")
    answer = door.post("/p/market/grace", data={"mac": MAC})
    assert answer.headers["Location"].endswith("g=grace_off")


def test_a_device_takes_its_minutes_once_and_the_second_time_is_told_kindly(lending: Shop, door: FlaskClient) -> None:
    page = seen(door, f"/p/market?mac={MAC}&l=en")
    assert "Once a day you get 5 slow minutes" in page and "I pay by card" in page
    assert "within half a minute, for 5 minutes. Pay now." in pressed(door, page)
    assert "has had its minutes for today" in pressed(door, page)
    swahili = seen(door, f"/p/market?mac={MAC}&l=sw")
    assert "kimeshatumia dakika zake za leo" in pressed(door, swahili)
    assert "<form" not in seen(door, "/p/market"), "which device it is nobody has said"


def test_a_device_that_waits_elsewhere_or_is_none_takes_nothing(lending: Shop, door: FlaskClient) -> None:
    for mac, said in ((MAC.replace("A1", "A9"), "grace_not_here"), ("<script>", "bad_mac"), ("", "bad_mac")):
        answer = door.post("/p/market/grace", data={"mac": mac, "g": "grace_lent"})
        assert answer.headers["Location"].endswith(f"g={said}")
    assert door.post("/p/nowhere/grace", data={"mac": MAC}).status_code == 404
    assert door.get("/p/market/grace").status_code == 405
    assert 'role="status"' not in seen(door, "/p/market?g=%3Cscript%3E") and "<script" not in seen(
        door, "/p/market?g=<script>"
    )


def test_the_page_with_the_button_is_still_light(lending: Shop, door: FlaskClient) -> None:
    answer = door.get(f"/p/market?mac={MAC}&r={'a' * 32}")
    assert b"<button" in answer.data
    assert len(answer.data) < WEIGHT_BYTES_MAX and len(gzip.compress(answer.data)) < 2_000
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
