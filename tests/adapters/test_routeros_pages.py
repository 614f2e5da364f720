"""The login page lies on the router as we made it: the router fetches it, and it is read back. Against the virtual MikroTik."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core import login_page
from core.adapters.routeros import MikrotikHotspot
from core.blueprint import Blueprint
from core.errors import GatewayRefused
from core.ports import RouterAddress
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.planner_side import box_blueprint, brought
from tests.adapters.router_side import LOCAL, PASSWORD


class Portal:
    """Serves the files of one blueprint, as long as it is in the mood."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        portal = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = portal.files.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def serve(self, blueprint: Blueprint) -> None:
        paths = {name: login_page.url(blueprint, name).removeprefix(self.url) for name in login_page.files(blueprint)}
        self.files = {paths[name]: text for name, text in login_page.files(blueprint).items()}


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.server.shutdown()
    portal.server.server_close()


@pytest.fixture(params=[("7.21.5", "hAP ac^2"), ("7.18.2", "hAP ax^2"), ("6.49.18", "RB951Ui-2HnD")], ids=" ".join)
def router(request: pytest.FixtureRequest) -> Iterator[VirtualRouter]:
    version, board = request.param
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), version=version, board=board) as router:
        router.reset(no_defaults=True)
        router.run("/user/add", name="boss", password=PASSWORD, group="full")
        yield router


@pytest.fixture
def place(router: VirtualRouter) -> RouterAddress:
    return replace(LOCAL, api_port=router.api_port, coa_port=router.coa_port, username="boss")


@pytest.fixture
def hotspot(router: VirtualRouter) -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(pause=router.advance)  # fetching takes what it takes
    yield hotspot
    hotspot.close()


def test_the_router_holds_our_page_and_shows_it(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, portal: Portal
) -> None:
    blueprint = replace(box_blueprint(place, 1812, 1813), pages="duka", portal_url=portal.url, api=None)
    portal.serve(blueprint)
    done = brought(hotspot, place, blueprint)
    prefix = "flash/" if router.machine.board.flash else ""
    assert f"/tool/fetch: {prefix}duka/login.html from the portal" in done
    profile = next(row for row in router.rows("/ip/hotspot/profile") if row["name"] == "duka-hotspot")
    assert profile["html-directory"] == f"{prefix}duka"
    assert hotspot.planner.plan(place, blueprint).in_step
    renamed = replace(blueprint, shop="Another name")
    portal.serve(renamed)
    assert hotspot.planner.plan(place, renamed).steps
    assert all(line.startswith("/tool/fetch: ") for line in brought(hotspot, place, renamed))
    assert hotspot.planner.plan(place, renamed).in_step


def test_a_page_that_did_not_arrive_as_it_is_stops_the_apply(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, portal: Portal
) -> None:
    blueprint = replace(box_blueprint(place, 1812, 1813), pages="duka", portal_url=portal.url, api=None)
    portal.serve(blueprint)
    good = dict(portal.files)
    portal.files = dict.fromkeys(good, "somebody else's page")
    assert "did not keep" in hotspot.planner.apply(place, blueprint).stopped
    portal.files = {}
    with pytest.raises(GatewayRefused, match="404"):
        hotspot.planner.apply(place, blueprint)
    portal.files = good
    assert brought(hotspot, place, blueprint)
    assert hotspot.planner.plan(place, blueprint).in_step
