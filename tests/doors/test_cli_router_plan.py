"""`duka router plan|apply|check|repair|garden` as an operator types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.routeros import VirtualRouter
from tests.doors.cli_kit import OPEN, Box, make_box


@pytest.fixture
def shop(tmp_path: Path, bare_database_url: str, redis_url: str, secrets_key: Path) -> Box:
    box = make_box(tmp_path, bare_database_url, redis_url, secrets_key)
    box.does("init", *OPEN)
    return box


@pytest.fixture
def router(shop: Box) -> Iterator[VirtualRouter]:
    """A MikroTik with a hotspot, on record here and not set up."""
    with VirtualRouter(identity="kiosk", password="right") as made:
        made.run("/ip/hotspot/profile/add", name="hotspot1")
        made.run("/ip/hotspot/add", name="hotspot1", interface="bridge", profile="hotspot1", disabled="no")
        ports = ["--api-port", str(made.api_port), "--coa-port", str(made.coa_port)]
        words = ["router", "add", "market", "--host", "127.0.0.1", "--no-tls", *ports, "--no-set-up"]
        shop.does(*words, DUKA_ROUTER_PASSWORD="right")
        yield made


def test_plan_says_what_apply_then_does(shop: Box, router: VirtualRouter) -> None:
    planned = shop.fails("router", "plan", "market")
    assert "/radius: add address=127.0.0.1 secret=(not shown)" in planned
    assert "duka router apply market" in planned
    assert router.rows("/radius") == [], "planning changes nothing"
    told = shop.does("router", "apply", "market")
    lines = [line.strip() for line in planned.splitlines() if line.startswith("  /")]
    assert lines
    assert [line.strip() for line in told.splitlines() if line.startswith("  /")] == lines
    assert "backup 1 of market is kept" in told, "what was there before the first change"
    assert "is as it should be" in shop.does("router", "plan", "market")
    assert "backup" not in shop.does("router", "apply", "market")
    assert "nothing had to be changed" in shop.does("router", "apply", "market")


def test_check_notes_the_difference_and_repair_mends_it(shop: Box, router: VirtualRouter) -> None:
    shop.does("router", "apply", "market")
    shop.does("router", "check", "market")
    router.run("/radius/incoming/set", accept="no")
    assert "accept no → yes" in shop.fails("router", "check", "market")
    assert "1 difference" in shop.does("router", "list")
    doctor = shop.fails("doctor")
    assert "is not as it should be" in doctor
    assert "duka router repair market" in doctor
    assert "accept no → yes" in shop.does("router", "repair", "market")
    assert "is as it should be" in shop.does("router", "check", "market")
    assert "is not as it should be" not in shop.fails("doctor")  # no clock runs in this test


def test_the_garden_is_listed_by_whose_it_is(shop: Box, router: VirtualRouter) -> None:
    router.run("/ip/hotspot/walled-garden/add", action="allow", dst_host="*.example.org", comment="lobby")
    assert "missing" in shop.does("router", "garden", "market")
    shop.does("router", "apply", "market")
    shop.does("settings", "general", "--garden", "news.example.net, 192.0.2.0/24:8080")
    shown = shop.does("router", "garden", "market")
    for whose, place in (("ours", "127.0.0.1"), ("yours", "*.example.org"), ("missing", "192.0.2.0/24")):
        assert any(whose in line and place in line for line in shown.splitlines())
    assert "garden_extra" in shop.fails("settings", "general", "--garden", "https://news.example.net")


def test_an_apply_that_stops_says_why_and_what_is_left(shop: Box, router: VirtualRouter) -> None:
    router.faults.refuse("/radius/incoming/set", "failure: the owner is here too")
    said = shop.fails("router", "apply", "market")
    assert "the owner is here too" in said
    assert "changes are left" in said
    assert "accept no → yes" in shop.does("router", "apply", "market")


def test_a_router_that_does_not_answer_is_said_so(shop: Box, router: VirtualRouter) -> None:
    router.faults.unreachable()
    for command in ("plan", "apply", "check", "repair", "garden"):
        shop.fails("router", command, "market")
