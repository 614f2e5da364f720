"""The pretend town over its API: what a page or the demo can do, and what it answers to nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from sim.__main__ import create_app
from sim.town import Town
from sim.town_plan import BadPlan, load, ports_from
from tests.adapters.our_side import OurSide, say
from tests.services import eventually

CALLER, TV = "+254712000001", "A4:77:33:10:20:01"
HERE = {"base_url": "http://127.0.0.1/"}


@pytest.fixture
def town() -> Iterator[Town]:
    """The town of `sim/town.toml`."""
    with Town(load()) as made:
        yield made


@pytest.fixture
def page(town: Town) -> FlaskClient:
    return create_app(town).test_client()


def post(page: FlaskClient, path: str, status: int = 200, **fields: object) -> Any:
    answer = page.post(f"/api/{path}", json=fields, **HERE)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


def state(page: FlaskClient) -> Any:
    return page.get("/api/state", **HERE).get_json()


def phone(page: FlaskClient) -> Any:
    return next(each for each in state(page)["phones"] if each["msisdn"] == CALLER)


def test_the_state_shows_everybody_and_no_password_of_a_router(page: FlaskClient) -> None:
    seen = state(page)
    assert {each["msisdn"] for each in seen["phones"]} >= {CALLER}
    assert [each["present"] for each in seen["devices"]] == [False, False, False]
    assert seen["routers"][0]["api_port"] > 0
    assert "pretend-router-password" not in page.get("/api/state", **HERE).get_data(as_text=True)


def test_a_dialled_code_reaches_the_shop_that_registered_and_shows_its_menu(page: FlaskClient) -> None:
    with OurSide() as shop:
        shop.pages["/ussd"] = say("CON Welcome\n1 Buy")
        post(page, "register", ussd_url=shop.url("/ussd"), sms_url=shop.url("/sms"))
        assert post(page, f"phones/{CALLER}/dial", code="")["screen"] == "Welcome\n1 Buy"
        shop.pages["/ussd"] = say("END Bye")
        assert post(page, f"phones/{CALLER}/answer", digits="1")["screen"] == "Bye"
        assert [form["text"] for form in shop.forms("/ussd")] == ["", "1"]
        assert not phone(page)["in_session"]
        post(page, f"phones/{CALLER}/text", to="", text="BAL")
        assert shop.forms("/sms")[0]["text"] == "BAL"


def test_a_prompt_is_paid_cancelled_or_not_there(page: FlaskClient, town: Town) -> None:
    assert "no payment prompt" in post(page, f"phones/{CALLER}/pin", 409, pin="1234")["error"]
    town.money.ask(CALLER, 20_00, "Shore", "AB12", lambda _prompt: None)
    assert phone(page)["prompt"]["amount_minor"] == 20_00
    before = phone(page)["balance_minor"]
    assert post(page, f"phones/{CALLER}/pin", pin="1234")["outcome"] == "paid"
    assert phone(page)["balance_minor"] == before - 20_00
    town.money.ask(CALLER, 20_00, "Shore", "AB12", lambda _prompt: None)
    assert post(page, f"phones/{CALLER}/cancel")["outcome"] == "cancelled"


def test_money_paid_by_hand_has_a_receipt_or_a_reason(page: FlaskClient) -> None:
    assert post(page, "paybill", msisdn=CALLER, account="AB12CD", amount_minor=50_00)["receipt"]
    assert "M-Pesa says no" in post(page, "paybill", 409, msisdn=CALLER, account="A", amount_minor=10**9)["error"]
    assert state(page)["companies"]["daraja"]["taken_minor"] == 50_00


def test_a_device_comes_leaves_and_comes_back_as_another(page: FlaskClient) -> None:
    assert post(page, f"devices/{TV}/come_back")["present"]
    assert not post(page, f"devices/{TV}/leave")["present"]
    assert post(page, f"devices/{TV.lower()}/come_back")["present"]
    new = post(page, f"devices/{TV}/change_mac")["mac"]
    assert new != TV
    assert int(new[1], 16) & 2, "phones invent private addresses"
    assert post(page, f"devices/{new}/traffic", upload_bytes=10, download_bytes=10)["passed_bytes"] == 0
    assert post(page, "devices")["router"] == "market"
    post(page, "devices", 409, mac="not a mac")
    post(page, "devices", 409, mac=new)


def test_every_trouble_can_be_made_and_ended(page: FlaskClient) -> None:
    for trouble in state(page)["troubles"]:
        assert post(page, f"trouble/{trouble['name']}", on=True)["on"] == (not trouble["once"])
        assert post(page, f"trouble/{trouble['name']}", on=True)["on"] == (not trouble["once"])
        assert not post(page, f"trouble/{trouble['name']}", on=False)["on"]
    eventually(lambda: state(page)["routers"][0]["reachable"], what="the router is back")


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("phones/+254700000000/dial", {"code": ""}, 404),
        (f"phones/{CALLER}/explode", {}, 404),
        (f"phones/{CALLER}/dial", {"code": 5}, 400),
        (f"phones/{CALLER}/dial", {"code": "x" * 5000}, 400),
        (f"phones/{CALLER}/answer", {}, 400),
        (f"phones/{CALLER}/answer", {"digits": "1"}, 409),
        (f"devices/{TV}/traffic", {"upload_bytes": -1}, 400),
        (f"devices/{TV}/traffic", {"upload_bytes": True}, 400),
        (f"devices/{TV}/traffic", {"upload_bytes": 1.5}, 400),
        ("devices/..%2f..%2fetc/leave", {}, 404),
        ("trouble/moon", {"on": True}, 404),
        ("trouble/mpesa_down", {"on": "yes"}, 400),
        ("register", {}, 400),
        ("paybill", {"msisdn": CALLER}, 400),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    page: FlaskClient, path: str, fields: dict[str, object], status: int
) -> None:
    assert post(page, path, status, **fields) is None or "error" in post(page, path, status, **fields)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'"x"', b"\xff\xfe", b"[" * 5000])
def test_bodies_that_are_no_objects_are_refused(page: FlaskClient, body: bytes) -> None:
    answer = page.post(f"/api/phones/{CALLER}/dial", data=body, content_type="application/json", **HERE)
    assert answer.status_code == 400


def test_a_huge_body_is_refused(page: FlaskClient) -> None:
    answer = page.post(f"/api/phones/{CALLER}/dial", json={"code": "x" * 10**6}, **HERE)
    assert answer.status_code == 413


def test_a_foreign_page_cannot_play_with_the_town(page: FlaskClient, town: Town) -> None:
    form = page.post(f"/api/phones/{CALLER}/dial", data={"code": ""}, **HERE)
    assert form.status_code == 400
    renamed = page.get("/api/state", base_url="http://evil.example/")
    assert renamed.status_code == 403
    assert town.phones[CALLER].session is None


def test_ports_are_overridden_one_by_one() -> None:
    plan = load().on_ports(ports_from("page=8123 api=8728 coa=3799"))
    assert (plan.page_port, plan.routers[0].api_port, plan.routers[0].coa_port) == (8123, 8728, 3799)
    assert plan.daraja == load().daraja


@pytest.mark.parametrize("text", ["page", "page=", "page=x", "page=70000", "page=-1", "moon=1"])
def test_ports_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(BadPlan):
        load().on_ports(ports_from(text))


@pytest.mark.parametrize("text", ["", "[page]\nport = 1", "not toml", "[page]\nport = 1\n[pace]\n"])
def test_a_plan_that_lacks_something_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadPlan, match="town.toml"):
        load(path)


def test_a_town_may_have_several_routers() -> None:
    plan = load()
    second = replace(plan.routers[0], name="harbour", host="127.0.0.2")
    with Town(replace(plan, routers=(*plan.routers, second))) as town:
        assert {each["name"] for each in town.state()["routers"]} == {"market", "harbour"}
        assert "router_off.harbour" in town.troubles
        assert town.add_device(router="harbour")["router"] == "harbour"
