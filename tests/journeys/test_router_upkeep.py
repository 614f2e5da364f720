"""The clock notices what was changed on a router, and walled gardens follow the settings by themselves. On both databases."""

from __future__ import annotations

from sqlalchemy import select

from core import network, tenants
from core.audit import AuditEntry
from core.network import Router
from tests.town import Town


def bring(town: Town) -> None:
    """What `duka router apply` does."""
    with town.app.look(town.shop.tenant_id) as uow:
        row = network.find_router(uow, "market")
        router, blueprint = network.address_of(uow, row), network.blueprint_of(uow, row)
    result = town.app.world(town.shop.tenant_id).planner.apply(router, blueprint)
    with town.app.work(town.shop.tenant_id) as uow:
        network.applied(uow, router.router_id, result)
    assert result.stopped == ""


def record(town: Town) -> Router:
    with town.app.look(town.shop.tenant_id) as uow:
        return network.find_router(uow, "market")


def told(town: Town) -> list[str]:
    wanted = ("router.drifted", "router.in_step", "router.applied", "router.garden")
    with town.app.work(town.shop.tenant_id) as uow:
        rows = uow.session.scalars(select(AuditEntry).where(AuditEntry.event.in_(wanted)).order_by(AuditEntry.id))
        return [row.event for row in rows]


def test_what_somebody_changed_is_noticed_told_once_and_mended(town: Town) -> None:
    bring(town)
    town.pass_time(330)
    assert record(town).checked_at is not None
    assert record(town).drift is None
    town.router.run("/radius/incoming/set", accept="no")
    town.pass_time(900)
    assert record(town).drift == "/radius/incoming: accept no → yes"
    bring(town)
    town.pass_time(330)
    assert record(town).drift is None
    assert told(town) == ["router.applied", "router.drifted", "router.applied", "router.in_step"]
    assert town.open_promises() == []


def test_a_router_that_is_away_is_not_said_to_differ(town: Town) -> None:
    bring(town)
    town.router.faults.unreachable()
    town.pass_time(700)
    assert record(town).drift is None
    assert told(town) == ["router.applied"]


def test_a_router_that_lost_its_hotspot_is_said_to_differ(town: Town) -> None:
    bring(town)
    for row in town.router.rows("/ip/hotspot"):
        town.router.run("/ip/hotspot/remove", numbers=row[".id"])
    town.pass_time(330)
    assert "no hotspot server" in (record(town).drift or "")


def test_the_walled_garden_follows_the_settings_even_when_the_router_was_away(town: Town) -> None:
    bring(town)

    def places() -> set[str | None]:
        return {row.get("dst-host") for row in town.router.rows("/ip/hotspot/walled-garden/ip")}

    town.router.faults.unreachable()
    with town.app.work(town.shop.tenant_id) as uow:
        settings = tenants.settings_of(uow)
        network.change_settings(uow, settings.model_copy(update={"garden_extra": ("news.example.net",)}))
    town.pass_time(120)
    assert "news.example.net" not in places()
    town.router.faults.reachable()
    town.pass_time(900)
    assert "news.example.net" in places()
    assert record(town).drift is None
    with town.app.work(town.shop.tenant_id) as uow:
        network.change_settings(uow, settings)
    town.pass_time(60)
    assert "news.example.net" not in places()
    assert town.open_promises() == []
