"""What a phone is told that asks by RFC 8908: what is certain, as the RFC has it, and nothing that might be wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from core import network, tenants
from core.config import Settings
from portal.app import create_app
from tests.core.accounting_kit import LAKE, MARKET, event, tell
from tests.core.kit import Shop, open_shop


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    """Two places with a router each."""
    shop = open_shop(settings)
    with shop.work() as uow:
        for slug, address in (("market", MARKET), ("lake", LAKE)):
            site = tenants.add_site(uow, slug, slug.title())
            network.add_router(
                uow, name=slug, host=address, username="duka", password="x", nas_address=address, site_id=site.id
            )
    yield shop
    shop.app.close()


@pytest.fixture
def door(shop: Shop) -> FlaskClient:
    return create_app(shop.app).test_client()


def key(shop: Shop, name: str) -> str:
    with shop.work() as uow:
        return network.find_router(uow, name).public_key


def test_whoever_asks_where_nobody_is_on_is_held_back_and_told_where_to_go(shop: Shop, door: FlaskClient) -> None:
    page = f"{shop.app.installation.portal_url}/p/market"
    for path in ("/capport/market", f"/capport/market?r={key(shop, 'market')}", "/capport/market?r=nonsense"):
        answer = door.get(path, headers={"Accept": "application/captive+json"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/captive+json")
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.get_json(force=True) == {
            "captive": True, "user-portal-url": page, "venue-info-url": page, "can-extend-session": True,
        }  # fmt: skip


def test_while_somebody_is_on_nothing_is_said_that_could_be_wrong(shop: Shop, door: FlaskClient) -> None:
    tell(shop, event(shop, "start", "one"))
    answer = door.get("/capport/market")
    assert (answer.status_code, answer.data) == (404, b"")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert door.get(f"/capport/market?r={key(shop, 'market')}").status_code == 404
    assert door.get("/capport/lake").status_code == 200, "another place"
    tell(shop, event(shop, "stop", "one", seconds=60))
    assert door.get("/capport/market").status_code == 200


def test_one_router_of_a_place_says_nothing_of_the_other(shop: Shop, door: FlaskClient) -> None:
    with shop.work() as uow:
        network.change_router(uow, network.find_router(uow, "lake"), site_id=network.find_router(uow, "market").site_id)
    tell(shop, event(shop, "start", "one"))
    assert door.get("/capport/market").status_code == 404
    assert door.get(f"/capport/market?r={key(shop, 'market')}").status_code == 404
    assert door.get(f"/capport/market?r={key(shop, 'lake')}").status_code == 200


@pytest.mark.parametrize("place", ["nowhere", "%00", "x" * 50, "market%27--"])
def test_a_place_that_nobody_has_is_nobodys(door: FlaskClient, place: str) -> None:
    assert door.get(f"/capport/{place}").status_code == 404
