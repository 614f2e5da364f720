"""Every kind of trouble the router can be told to make, as a client sees it."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import librouteros
import pytest
from librouteros.exceptions import LibRouterosError

from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.test_virtual_router_kit import (
    LAPTOP,
    PHONE,
    ByteClient,
    StrictRadius,
    selling_router,
    send_order,
)


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        yield router


def test_an_unreachable_router_refuses_and_cuts_and_comes_back_on_the_same_port(router: VirtualRouter) -> None:
    port = router.api_port
    with ByteClient(port) as client:
        router.faults.unreachable()
        assert client.is_closed()
    with pytest.raises(ConnectionRefusedError):
        ByteClient(port)
    router.faults.unreachable()
    router.faults.reachable()
    assert router.api_port == port
    with ByteClient(port) as client:
        assert client.rows("/system/identity/print") == [{"name": "market"}]


def test_an_unreachable_router_stays_so_over_a_reboot(router: VirtualRouter) -> None:
    router.faults.unreachable()
    router.reboot()
    with pytest.raises(ConnectionRefusedError):
        ByteClient(router.api_port)
    router.faults.clear()
    ByteClient(router.api_port).__exit__()


def test_a_slow_router_keeps_each_command_waiting(router: VirtualRouter) -> None:
    with ByteClient(router.api_port) as client:
        router.faults.slow(0.2)
        began = time.monotonic()
        assert client.rows("/system/identity/print") == [{"name": "market"}]
        assert time.monotonic() - began >= 0.2
        router.faults.clear()
        assert client.rows("/system/identity/print") == [{"name": "market"}]


def test_a_slow_router_can_be_stopped_in_the_middle(router: VirtualRouter) -> None:
    with ByteClient(router.api_port) as client:
        router.faults.slow(60)
        client.say("/system/identity/print")
        began = time.monotonic()
        router.stop()
        assert time.monotonic() - began < 10
        assert client.is_closed()


@pytest.mark.parametrize("passing", [0, 2])
def test_a_connection_breaks_in_the_middle_of_a_reply(router: VirtualRouter, passing: int) -> None:
    with ByteClient(router.api_port) as client:
        router.faults.drop_mid_sentence(after_commands=passing)
        for _ in range(passing):
            assert client.rows("/system/identity/print") == [{"name": "market"}]
        client.say("/system/identity/print")
        with pytest.raises(ConnectionError):
            client.hear_reply()
    with ByteClient(router.api_port) as client:
        assert client.rows("/system/identity/print") == [{"name": "market"}]


def test_the_command_whose_reply_broke_was_carried_out(router: VirtualRouter) -> None:
    with ByteClient(router.api_port) as client:
        router.faults.drop_mid_sentence()
        client.say("/system/identity/set", "=name=harbour")
        with pytest.raises(ConnectionError):
            client.hear_reply()
    assert router.rows("/system/identity")[0]["name"] == "harbour"


def test_a_command_is_refused_as_often_as_told(router: VirtualRouter) -> None:
    router.faults.refuse("/ip/hotspot/user/add", "failure: out of memory", category=4, times=2)
    with ByteClient(router.api_port) as client:
        for _ in range(2):
            trap = client.trap("/ip/hotspot/user/add", "=name=guest")
            assert trap == {"category": "4", "message": "failure: out of memory"}
            assert client.rows("/system/identity/print") == [{"name": "market"}]
        assert client.ask("/ip/hotspot/user/add", "=name=guest")[0][0] == "!done"


def test_nonsense_is_recognised_as_such_by_a_client(router: VirtualRouter) -> None:
    api = librouteros.connect("127.0.0.1", "duka", "router password", port=router.api_port, encoding="UTF-8", timeout=1)
    router.faults.talk_nonsense()
    with pytest.raises((LibRouterosError, ValueError, OSError)):
        tuple(api("/system/identity/print"))
    api.close()
    router.faults.clear()
    with ByteClient(router.api_port) as client:
        assert client.rows("/system/identity/print") == [{"name": "market"}]


def test_a_router_can_lose_its_configuration() -> None:
    with StrictRadius() as radius, selling_router(radius) as router:
        radius.sell(PHONE)
        phone = router.plug_in(PHONE)
        router.faults.forget_everything()
        assert not phone.online
        for menu in ("/radius", "/ip/hotspot", "/ip/hotspot/host"):
            assert router.rows(menu) == []
        with ByteClient(router.api_port) as client:
            assert client.rows("/system/identity/print") == [{"name": "market"}]
        router.set_up_hotspot("127.0.0.1", radius.auth_port, radius.acct_port, radius.secret.decode(), radius.password)
        assert phone.online


def test_a_router_reset_to_the_factory_knows_only_its_first_account(router: VirtualRouter) -> None:
    router.faults.forget_everything(keep_api_users=False)
    with ByteClient(router.api_port, name=None) as client:
        assert client.trap("/login", "=name=duka", "=password=router password")["message"]
        assert client.ask("/login", "=name=admin", "=password=") == [["!done"]]


def test_orders_can_be_swallowed_or_refused() -> None:
    with StrictRadius() as radius, selling_router(radius) as router:
        radius.sell(PHONE)
        phone = router.plug_in(PHONE)
        session: dict[str, Any] = {"Acct_Session_Id": radius.reports[-1]["Acct-Session-Id"]}
        router.faults.nak_coa(506)
        assert send_order(router, 43, **session, Idle_Timeout=5)["Error-Cause"] == [506]
        router.faults.clear()
        router.faults.ignore_coa()
        assert send_order(router, 40, wait_seconds=0.2, **session) is None
        assert phone.online
        router.faults.clear()
        assert send_order(router, 40, **session).code == 41


def test_hooks_run_before_a_command_is_carried_out(router: VirtualRouter) -> None:
    seen = []
    router.on_command.append(lambda path, args: seen.append((path, args, router.rows("/system/identity")[0]["name"])))
    with ByteClient(router.api_port) as client:
        client.ask("/system/identity/set", "=name=harbour")
    assert seen == [("/system/identity/set", {"name": "harbour"}, "market")]
    assert router.api_commands[-1] == ("/system/identity/set", {"name": "harbour"})


def test_a_reboot_cuts_connections_and_forgets_who_was_there() -> None:
    with StrictRadius() as radius, selling_router(radius) as router:
        router.plug_in(PHONE)
        gone = router.plug_in(LAPTOP)
        gone.leave()
        with ByteClient(router.api_port) as client:
            router.reboot()
            assert client.is_closed()
        assert [row["mac-address"] for row in router.rows("/ip/hotspot/host")] == [PHONE]


def test_a_page_is_fetched_from_this_machine_and_from_nowhere_else(router: VirtualRouter) -> None:
    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/login.html" else 404)
            self.end_headers()
            self.wfile.write(b"<html>portal</html>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        with ByteClient(router.api_port) as client:
            (row,) = client.rows("/tool/fetch", f"=url={base}/login.html", "=dst-path=hotspot/login.html")
            assert row["status"] == "finished"
            (file,) = client.rows("/file/print", "?name=hotspot/login.html")
            assert (file["contents"], file["size"]) == ("<html>portal</html>", "19")
            assert client.trap("/tool/fetch", f"=url={base}/other")["message"] == "failure: status 404"
            assert client.trap("/tool/fetch", "=url=http://192.0.2.1/x")["message"] == "failure: connection timeout"
            assert client.trap("/tool/fetch", "=url=file:///etc/passwd")["message"] == "invalid value for argument url"
        server.shutdown()
