"""The addresses of a new box: one box, one day, nothing secret before it has said who it is, and the same 404 for all others."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from core import network, outbox, tenants
from core.app import open_app
from core.audit import AuditEntry
from core.config import Settings
from core.network.install import BadLifetime
from core.network.models import RouterInstall
from portal.app import create_app
from tests.core.kit import Shop, open_shop

SEVEN = (
    "version=7.21.5 (long-term)\nboard=hAP ax2\nserial=HD1234\nether=ether1\nether=ether2\nwifi=wifi1\nhotspot=true\n"
)
SIX = "version=6.49.18 (long-term)\nboard=hAP ac2\nserial=AB99\nether=ether1\nether=ether2\nwlan=wlan1\nfiles=flash/\n"
HOME = {"version": "7.21.5 (long-term)", "board": "hAP ax2", "serial": "HD1234"}


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    installed = settings.model_copy(
        update={
            "public_url": "https://pay.example.org/",
            "tunnel": settings.tunnel.model_copy(update={"host": "vpn.example.org"}),
        }
    )
    shop = open_shop(installed)
    yield shop
    shop.app.close()


@pytest.fixture
def door(shop: Shop) -> FlaskClient:
    return create_app(shop.app).test_client()


@pytest.fixture
def token(shop: Shop) -> str:
    return invite(shop)


def invite(shop: Shop, name: str = "market", hours: int = 24) -> str:
    with shop.work() as uow:
        try:
            router = network.find_router(uow, name)
        except network.NoSuchRouter:
            site = tenants.add_site(uow, name, name)
            router = network.add_tunnelled_router(
                uow, name=name, username="duka", password=f"api-password-{shop.tenant_id}", site_id=site.id
            )
            router.layout = network.Layout(
                scope="box", wan_interface="ether1", ssid="Free Wi-Fi", radius_address=network.server_address(uow)
            )
        return network.invite(uow, router, hours=hours)[0]


def secrets_of(shop: Shop, name: str = "market") -> list[str]:
    with shop.work() as uow:
        router = network.find_router(uow, name)
        tunnel = network.must_have_tunnel(uow, router)
        return [
            router.password,
            router.radius_secret,
            router.mac_auth_password,
            tunnel.private_key or tunnel.password or "",
        ]


def test_the_first_script_asks_and_holds_no_secret(shop: Shop, door: FlaskClient, token: str) -> None:
    answer = door.get(f"/install/{token}.rsc")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.get_data(as_text=True)
    assert f':local url "https://pay.example.org/install/{token}"' in text
    assert "/system resource get version" in text
    assert not any(secret in text for secret in secrets_of(shop))


@pytest.mark.parametrize(("said", "kind"), [(SEVEN, "wireguard"), (SIX, "l2tp-client")])
def test_the_second_script_is_made_for_the_box_that_asked(
    shop: Shop, door: FlaskClient, token: str, said: str, kind: str
) -> None:
    answer = door.post(f"/install/{token}/setup.rsc", data=said)
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    assert f"/interface {kind} add" in text
    assert ("/interface wifi set" in text) == (said is SEVEN)
    assert ("/interface wireless set" in text) == (said is SIX)
    assert all(secret in text for secret in secrets_of(shop))
    assert f"https://pay.example.org/install/{token}/home" in text
    with shop.work() as uow:
        router = network.find_router(uow, "market")
        assert (router.board, router.serial) == (("hAP ax2", "HD1234") if said is SEVEN else ("hAP ac2", "AB99"))


def test_the_same_box_may_ask_again_and_no_other_box_may(door: FlaskClient, token: str) -> None:
    first = door.post(f"/install/{token}/setup.rsc", data=SEVEN)
    assert door.post(f"/install/{token}/setup.rsc", data=SEVEN).data == first.data
    assert door.post(f"/install/{token}/setup.rsc", data=SEVEN.replace("HD1234", "HD9999")).status_code == 404
    assert door.post(f"/install/{token}/setup.rsc", data=SEVEN).data == first.data


def test_a_box_that_has_called_home_is_looked_at_and_has_half_an_hour_to_do_it_again(
    shop: Shop, door: FlaskClient, token: str
) -> None:
    assert door.post(f"/install/{token}/home", json=HOME).status_code == 404
    door.post(f"/install/{token}/setup.rsc", data=SEVEN)
    assert door.post(f"/install/{token}/home", json=HOME | {"serial": "HD9999"}).status_code == 404
    assert door.post(f"/install/{token}/home", json=HOME).status_code == 200
    with shop.app.work(None) as uow:
        assert [row.kind for row in uow.session.scalars(select(outbox.Promise))] == ["Probe"]
    shop.later(minutes=29)
    assert door.get(f"/install/{token}.rsc").status_code == 200
    assert door.post(f"/install/{token}/home", json=HOME).status_code == 200
    shop.later(minutes=2)
    for answer in everywhere(door, token):
        assert answer == 404


def everywhere(door: FlaskClient, token: str) -> list[int]:
    return [
        door.get(f"/install/{token}.rsc").status_code,
        door.post(f"/install/{token}/setup.rsc", data=SEVEN).status_code,
        door.post(f"/install/{token}/home", json=HOME).status_code,
    ]


def test_a_line_that_nobody_pasted_in_time_is_void(shop: Shop, door: FlaskClient) -> None:
    token = invite(shop, hours=2)
    shop.later(hours=1, minutes=59)
    assert door.get(f"/install/{token}.rsc").status_code == 200
    shop.later(minutes=1)
    assert everywhere(door, token) == [404, 404, 404]


def test_a_new_line_makes_the_old_one_void(shop: Shop, door: FlaskClient, token: str) -> None:
    newer = invite(shop)
    assert door.get(f"/install/{token}.rsc").status_code == 404
    assert door.get(f"/install/{newer}.rsc").status_code == 200


def test_every_wrong_token_gets_the_same_answer(shop: Shop, door: FlaskClient, token: str) -> None:
    shop.later(hours=25)
    wrong = ["0" * 40, token, token[:-1], token + "0", token.upper(), "%00", "a" * 5000, "..%2f..", "'--"]
    answers = {(each.status_code, each.data) for each in (door.get(f"/install/{one}.rsc") for one in wrong)}
    assert len(answers) == 1
    assert answers.pop()[0] == 404


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x00" * 100,
        b"version=\n",
        b"version=banana\nserial=1\n",
        b"{}",
        b"version=7.1\n" + b"x" * 20_000,
        b"\xff\xfe",
    ],
)
def test_what_no_router_says_is_refused_and_claims_nothing(
    shop: Shop, door: FlaskClient, token: str, said: bytes
) -> None:
    assert door.post(f"/install/{token}/setup.rsc", data=said).status_code == 400
    with shop.work() as uow:
        assert uow.session.scalars(select(RouterInstall)).one().claimed_by is None


def test_a_box_without_any_number_of_its_own_gets_nothing(door: FlaskClient, token: str) -> None:
    assert door.post(f"/install/{token}/setup.rsc", data="version=7.21.5\nboard=CHR\n").status_code == 404


@pytest.mark.parametrize("said", [[], "x", None, {"serial": {"a": 1}}, {"version": 7}])
def test_a_call_home_of_nonsense_changes_nothing(door: FlaskClient, token: str, said: object) -> None:
    door.post(f"/install/{token}/setup.rsc", data=SEVEN)
    assert door.post(f"/install/{token}/home", json=said).status_code == 404
    assert door.post(f"/install/{token}/home", data=b"\xff{").status_code == 404


def test_hostile_names_of_interfaces_stay_values(shop: Shop, door: FlaskClient, token: str) -> None:
    said = SEVEN + 'ether=e"; /system reset-configuration; :put "\nether=$x[/quit]\n'
    text = door.post(f"/install/{token}/setup.rsc", data=said).get_data(as_text=True)
    assert 'interface="e\\22\\3B /system reset-configuration\\3B :put \\22"' in text
    assert 'interface="\\24x\\5B/quit\\5D"' in text


def test_two_isps_have_lines_of_their_own(shop: Shop, door: FlaskClient, token: str) -> None:
    other = open_shop(shop.app.settings, "rival", shop.app)
    theirs = invite(other)
    text = door.post(f"/install/{theirs}/setup.rsc", data=SEVEN).get_data(as_text=True)
    assert all(secret in text for secret in secrets_of(other))
    assert not any(secret in text for secret in secrets_of(shop))


def test_a_line_lives_between_an_hour_and_a_week(shop: Shop) -> None:
    for hours in (0, -1, 169):
        with pytest.raises(BadLifetime):
            invite(shop, hours=hours)


def test_neither_log_nor_audit_nor_database_holds_a_token(
    shop: Shop, door: FlaskClient, token: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        door.get(f"/install/{token}.rsc")
        door.post(f"/install/{token}/setup.rsc", data=SEVEN)
        door.post(f"/install/{token}/setup.rsc", data=SEVEN.replace("HD1234", "X"))
        door.post(f"/install/{token}/home", json=HOME)
        door.get(f"/install/{token}x.rsc")
        broken = create_app(
            open_app(
                shop.app.settings.model_copy(
                    update={
                        "database": shop.app.settings.database.model_copy(update={"url": "sqlite:////nowhere/duka.db"})
                    }
                )
            )
        )
        assert broken.test_client().get(f"/install/{token}.rsc").status_code == 500
    said = "".join(capfd.readouterr()) + caplog.text
    assert "install.came_home" in said and "request.failed" in said
    assert token[:20] not in said
    with shop.work() as uow:
        told = [f"{row.event} {row.facts}" for row in uow.session.scalars(select(AuditEntry))]
        assert any("router.came_home" in line for line in told)
        assert not any(token[:20] in line for line in told)
        assert token not in uow.session.scalars(select(RouterInstall)).one().token_hash
