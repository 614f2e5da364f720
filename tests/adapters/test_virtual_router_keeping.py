"""What the virtual router keeps and does by itself: exports, backups, files, fetched pages, scheduled scripts."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import librouteros
import pytest
from librouteros.exceptions import TrapError

from sim.routeros import ManualClock, ScriptError, Trap, VirtualRouter
from tests.adapters.test_virtual_router_kit import eventually

SET_UP = r"""
/interface bridge add name=lan comment="our \"bridge\""
/interface list add name=OUT
/interface ethernet set [find default-name=ether3] name=office
/interface bridge port add bridge=lan interface=office
/interface list member add list=OUT interface=ether1
/ip address add address=10.5.0.1/16 interface=lan
/ip pool add name=p ranges=10.5.0.10-10.5.9.9
/ip dhcp-server add name=d interface=lan address-pool=p disabled=no
/ip dhcp-server network add address=10.5.0.0/16 gateway=10.5.0.1
/ip firewall filter add chain=input action=drop in-interface-list=OUT comment="c\C3\A9 $x"
/ip firewall filter add chain=input comment=first place-before=0
/ip hotspot profile add name=h login-by=mac,http-pap mac-auth-password=hidden
/ip hotspot add name=h interface=lan profile=h disabled=no
/ip hotspot user profile set default keepalive-timeout=3m
/radius add address=10.0.0.1 secret=hidden service=hotspot
/ip service set ssh disabled=yes
/system identity set name="Shop 1"
/system script add name=s source="/system identity set name=\"a\\\\b\"\n:put \$x"
/ip dns set servers=1.1.1.1,9.9.9.9 allow-remote-requests=yes
""".replace("$x", r"\$x").replace(r"\\$x", r"\$x")


@pytest.fixture(params=["7.21.5", "6.49.18"])
def router(request: pytest.FixtureRequest) -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock(), version=request.param) as router:
        yield router


def body(text: str) -> str:
    """An export without the lines that say when it was made."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def export(router: VirtualRouter, words: str = "terse") -> str:
    router.run_script(f"/export file=e {words}")
    raw = router.files.read("e.rsc")
    assert raw is not None
    return raw.decode()


@pytest.mark.parametrize("words", ["terse", ""])
def test_an_export_makes_the_same_router_again(router: VirtualRouter, words: str) -> None:
    router.reset(no_defaults=False)
    router.run_script(SET_UP.replace("\n/interface bridge port add bridge=lan interface=office", ""))
    shows = words if router.machine.schema.is_six else f"{words} show-sensitive"
    before = export(router, shows)
    assert "secret=hidden" in before
    assert ("/ip hotspot\n" in before) == (words == "")
    router.reset(no_defaults=True)
    assert "hotspot add" not in export(router)
    router.files.write("again.rsc", before.encode())
    router.run_script("/import again.rsc")
    assert body(export(router, shows)) == body(before)
    assert router.run("/system/script/print")[0]["source"].startswith('/system identity set name="a\\\\b"\n')
    assert next(row["comment"] for row in router.rows("/ip/firewall/filter") if row["dynamic"] == "false") == "first"


def test_secrets_leave_a_router_of_version_seven_only_when_asked_for(router: VirtualRouter) -> None:
    router.run_script(SET_UP)
    old = router.machine.schema.is_six
    assert ("hidden" in export(router)) == old
    assert ("hidden" in export(router, "hide-sensitive" if old else "show-sensitive")) != old
    router.run("/user/group/add", name="g", policy="read,api,ftp,write")
    router.run("/user/add", name="us", password="p", group="g")
    api = librouteros.connect("127.0.0.1", "us", "p", port=router.api_port)
    tuple(api("/export", file="ours", **({} if old else {"show-sensitive": ""})))
    assert b"hidden" not in (router.files.read("ours.rsc") or b"hidden")
    api.close()


def test_one_menu_can_be_exported_alone(router: VirtualRouter) -> None:
    router.run_script(SET_UP)
    router.run_script("/ip pool export file=pools")
    assert body((router.files.read("pools.rsc") or b"").decode()) == "/ip pool\nadd name=p ranges=10.5.0.10-10.5.9.9"
    assert router.run_script("/ip/firewall/filter export terse").count("\n/ip firewall filter add") == 2


def test_a_long_file_is_read_piece_by_piece_or_on_six_not_at_all() -> None:
    for version in ("7.21.5", "6.49.18"):
        with VirtualRouter(clock=ManualClock(), version=version) as router:
            router.files.write("long.txt", b"0123456789" * 9000)
            router.files.write("short.txt", b"x" * 4095)
            rows = {row["name"]: row for row in router.rows("/file")}
            assert "contents" not in rows["long.txt"]
            assert len(rows["short.txt"]["contents"]) == 4095
            if version[0] == "7":
                (piece,) = router.run("/file/read", file="long.txt", offset="5", chunk_size="10")
                assert piece["data"] == "5678901234"
                with pytest.raises(Trap, match="out of range"):
                    router.run("/file/read", file="long.txt", chunk_size="99999")
            else:
                router.files.write("middle.txt", b"x" * 4096)
                assert "contents" not in next(row for row in router.rows("/file") if row["name"] == "middle.txt")
                with pytest.raises(Trap, match="no such command"):
                    router.run("/file/read", file="long.txt")


def test_files_are_renamed_rewritten_and_removed_with_what_is_in_them(router: VirtualRouter) -> None:
    router.files.write("pages/a.html", b"one")
    router.files.write("pages/b.html", b"two")
    router.run_script("/file set pages/a.html contents=three\n/file set pages/b.html name=pages/c.html")
    assert (router.files.read("pages/a.html"), router.files.read("pages/c.html")) == (b"three", b"two")
    router.run_script("/file remove pages")
    assert not [name for name in router.files.names() if name.startswith("pages")]


def test_a_backup_puts_everything_back_users_too() -> None:
    with VirtualRouter(password="router password") as router:
        router.run_script(SET_UP)
        router.run_script("/system backup save name=flash/before password=key")
        router.run_script("/ip pool remove p\n/user set duka password=changed\n/ip hotspot remove h")
        for arguments, text in (
            ({"name": "flash/before", "password": "wrong"}, "wrong password"),
            ({"name": "nothing"}, "no such file"),
        ):
            with pytest.raises(Trap, match=text):
                router.run("/system/backup/load", **arguments)
        router.run("/system/backup/load", name="flash/before", password="key")
        eventually(lambda: router.machine.boot_number == 1, "the boot after it")
        assert [row["name"] for row in router.rows("/ip/pool")] == ["p"]
        assert router.password_of("duka") == "router password"
        assert router.rows("/ip/hotspot")[0]["disabled"] == "false"
        assert router.files.read("flash/before.backup") is not None


class Portal(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sent + b"|" + (self.headers["X-Key"] or "").encode() + b"|" + self.headers["Host"].encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def portal() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Portal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_script_fetches_with_headers_a_body_and_a_name_that_resolves(router: VirtualRouter, portal: int) -> None:
    line = (
        '/tool fetch url="http://portal.example/x" http-method=post http-data="a=1" '
        'http-header-field="X-Key: k" dst-path=answer.txt'
    )
    with pytest.raises(ScriptError, match="resolving error"):
        router.run_script(line)
    router.around.internet.names["portal.example"] = "198.51.100.7"
    with pytest.raises(ScriptError, match="connection timeout"):
        router.run_script(line)
    router.around.internet.doors["198.51.100.7", 80] = ("127.0.0.1", portal)
    router.run_script(line)
    assert router.files.read("answer.txt") == b"a=1|k|portal.example"
    router.run_script(line.replace("answer.txt", "other.txt") + " keep-result=no")
    assert router.files.read("other.txt") is None


def test_nothing_is_fetched_over_a_cable_that_leads_nowhere(router: VirtualRouter, portal: int) -> None:
    line = f'/tool fetch url="http://127.0.0.1:{portal}/x" http-method=post http-data=a dst-path=answer.txt'
    router.around.plug_uplink()
    with pytest.raises(ScriptError, match="connection timeout"):
        router.run_script(line)
    router.run_script("/ip dhcp-client add interface=ether1 disabled=no")
    router.run_script(line)
    router.around.unplug_uplink()
    assert router.rows("/ip/dhcp-client")[0]["status"] == "searching..."


def test_a_scheduled_script_runs_when_its_time_has_come_and_counts(router: VirtualRouter) -> None:
    router.run_script('/system scheduler add name=t interval=1m on-event="/log info message=tick"')
    router.advance(59)
    assert router.rows("/system/scheduler")[0]["run-count"] == "0"
    router.advance(121)
    row = router.rows("/system/scheduler")[0]
    assert row["run-count"] == "3"
    assert row["next-run"].endswith("08:04:00")
    assert [entry["message"] for entry in router.rows("/log")].count("tick") == 3
    router.run_script("/system scheduler disable t")
    router.advance(600)
    assert router.rows("/system/scheduler")[0]["run-count"] == "3"


def test_a_scheduled_script_may_remove_itself_and_undo_things(router: VirtualRouter) -> None:
    router.run_script(
        '/ip firewall filter add chain=input action=drop comment="ours"\n'
        '/system scheduler add name=undo interval=3m on-event="/ip firewall filter remove [find comment=\\"ours\\"]\\n'
        '/system scheduler remove [find name=\\"undo\\"]"'
    )
    router.advance(179)
    assert router.rows("/ip/firewall/filter")
    router.advance(1)
    assert (router.rows("/ip/firewall/filter"), router.rows("/system/scheduler")) == ([], [])


def test_entries_of_the_start_run_after_each_start(router: VirtualRouter) -> None:
    router.run_script('/system scheduler add name=up start-time=startup on-event="/log info message=up"')
    router.advance(100)
    assert router.rows("/system/scheduler")[0]["run-count"] == "0"
    router.reboot()
    router.advance(3)
    assert router.rows("/system/scheduler")[0]["run-count"] == "1"
    assert router.rows("/log")[-1]["message"] == "up"


def test_an_entry_may_name_a_day_and_an_hour_or_a_stored_script(router: VirtualRouter) -> None:
    day = "mar/02/2026" if router.machine.schema.is_six else "2026-03-02"
    router.run_script(
        '/system script add name=stored source="/log info message=stored"\n'
        f"/system scheduler add name=once start-date={day} start-time=09:00:00 on-event=stored\n"
        '/system scheduler add name=bad interval=1h on-event="/no such menu"'
    )
    router.advance(3599)
    assert [row["run-count"] for row in router.rows("/system/scheduler")] == ["0", "0"]
    router.advance(7200)
    assert [row["run-count"] for row in router.rows("/system/scheduler")] == ["1", "2"]
    messages = [row["message"] for row in router.rows("/log")]
    assert messages.count("stored") == 1
    assert any("scheduler (bad) failed: bad command name no (line 1 column 2)" in message for message in messages)


def test_a_device_mode_that_comes_later_stops_scheduled_scripts() -> None:
    with VirtualRouter(clock=ManualClock()) as router:
        router.run_script('/system scheduler add name=t interval=1m on-event="/log info message=tick"')
        router.set_device_mode("home")
        router.advance(120)
        assert router.rows("/system/scheduler")[0]["run-count"] == "0"


def test_an_export_over_the_wire_needs_a_file(router: VirtualRouter) -> None:
    api = librouteros.connect("127.0.0.1", "duka", "router password", port=router.api_port)
    assert tuple(api("/export")) == ()
    with pytest.raises(TrapError, match="not part of the virtual router"):
        tuple(api("/export", verbose="", file="x"))
    api.close()
