"""What the router lets be written and how it says no (reference routeros.md §1.2, schema and arguments files)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sim.routeros import ManualClock, Trap, VirtualRouter
from tests.adapters.test_virtual_router_kit import ByteClient, as_dict, eventually


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        yield router


@pytest.fixture
def client(router: VirtualRouter) -> Iterator[ByteClient]:
    with ByteClient(router.api_port) as client:
        yield client


@pytest.mark.parametrize(
    ("words", "category", "message"),
    [
        (("/nowhere/print",), "0", "no such command prefix"),
        (("/ip/hotspot/nowhere/print",), "0", "no such command prefix"),
        (("/ip/hotspot/fly",), "0", "no such command"),
        (("/ip/hotspot/active/add",), "0", "no such command"),
        (("/radius/add", "=address=127.0.0.1", "=priority=1"), None, "unknown parameter priority"),
        (("/ip/hotspot/user/add", "=name=x", "=uptime=1h"), None, "unknown parameter uptime"),
        (
            ("/ip/hotspot/profile/set", "=numbers=default", "=https-redirect=no"),
            None,
            "unknown parameter https-redirect",
        ),
        (("/ip/hotspot/user/add", "=password=x"), "0", "missing value(s) of argument(s) name"),
        (("/radius/add", "=secret=x"), "0", "missing value(s) of argument(s) address"),
        (("/ip/hotspot/user/remove",), "0", "missing value(s) of argument(s) .id"),
        (("/ip/hotspot/user/remove", "=.id=*FF"), "0", "no such item"),
        (("/ip/hotspot/user/set", "=numbers=ghost", "=password=x"), "0", "no such item"),
        (("/ip/hotspot/ip-binding/add", "=type=friend"), "1", "input does not match any value of type"),
        (("/ip/hotspot/user/add", "=name=x", "=profile=gold"), "1", "input does not match any value of profile"),
        (("/ip/hotspot/add", "=interface=ether9"), "1", "input does not match any value of interface"),
        (
            ("/radius/add", "=address=127.0.0.1", "=service=hotspot,beer"),
            "1",
            "input does not match any value of service",
        ),
        (("/ip/hotspot/user/add", "=name=x", "=disabled=maybe"), "1", "invalid value for argument disabled"),
        (
            ("/ip/hotspot/user/add", "=name=x", "=limit-bytes-total=much"),
            "1",
            "invalid value for argument limit-bytes-total",
        ),
        (("/ip/hotspot/user/add", "=name=x", "=limit-uptime=soon"), "1", "invalid value for argument limit-uptime"),
        (("/ip/hotspot/user/add", "=name=x", "=mac-address=12:34"), "1", "invalid value for argument mac-address"),
        (("/ip/hotspot/user/add", "=name=x", "=address=1.2.3"), "1", "invalid value for argument address"),
        (("/radius/add", "=address=127.0.0.1", "=timeout=2m"), "1", "value of timeout out of range (10ms..1m)"),
        (("/radius/incoming/set", "=port=70000"), "1", "value of port out of range (0..65535)"),
        (("/ip/address/add", "=address=10.20.0.1/16", "=interface=bridge"), None, "failure: already have such address"),
        (("/ip/hotspot/user/profile/add", "=name=default"), None, "failure: already have profile with such name"),
        (("/ip/hotspot/user/profile/remove", "=numbers=default"), None, "failure: can not remove default entry"),
        (
            ("/ip/hotspot/user/get", "=.id=*1", "=value-name=shoe-size"),
            "1",
            "input does not match any value of value-name",
        ),
        (
            ("/system/package/uninstall", "=numbers=*1"),
            None,
            "failure: /system/package/uninstall is not part of the virtual router",
        ),
    ],
)
def test_refusals_use_the_routers_words(
    client: ByteClient, words: tuple[str, ...], category: str | None, message: str
) -> None:
    expected = {"message": message} if category is None else {"category": category, "message": message}
    assert client.trap(*words) == expected


def test_the_same_user_twice_is_refused_whether_added_or_renamed(client: ByteClient) -> None:
    client.ask("/ip/hotspot/user/add", "=name=guest")
    client.ask("/ip/hotspot/user/add", "=name=other")
    message = "failure: already have user with this name for this server"
    assert client.trap("/ip/hotspot/user/add", "=name=guest") == {"message": message}
    assert client.trap("/ip/hotspot/user/set", "=numbers=other", "=name=guest") == {"message": message}
    assert client.ask("/ip/hotspot/user/set", "=numbers=other", "=name=other") == [["!done"]]


def test_address_list_entries_are_told_apart_by_list_and_address(client: ByteClient) -> None:
    entry = ("/ip/firewall/address-list/add", "=list=paid", "=address=10.0.0.1")
    assert client.ask(*entry)[0][0] == "!done"
    assert client.trap(*entry) == {"message": "failure: already have such entry"}
    assert client.ask(entry[0], "=list=late", entry[2])[0][0] == "!done"


def test_walled_garden_entries_are_not_deduplicated(client: ByteClient) -> None:
    for _ in range(2):
        client.ask("/ip/hotspot/walled-garden/add", "=dst-host=pay.example")
    assert len(client.rows("/ip/hotspot/walled-garden/print")) == 2


def test_values_are_read_back_in_the_routers_own_spelling(client: ByteClient) -> None:
    client.ask(
        "/ip/hotspot/user/add",
        "=name=guest",
        "=disabled=yes",
        "=limit-uptime=26:03:04",
        "=mac-address=aa-bb-cc-dd-ee-0f",
        "=limit-bytes-total=10000000000",
    )
    (row,) = client.rows("/ip/hotspot/user/print", "?name=guest")
    assert row["disabled"] == "true"
    assert row["limit-uptime"] == "1d2h3m4s"
    assert row["mac-address"] == "AA:BB:CC:DD:EE:0F"
    assert row["limit-bytes-total"] == "10000000000"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("90", "1m30s"),
        ("500ms", "500ms"),
        ("1d2h3m4s", "1d2h3m4s"),
        ("00:05", "5m"),
        ("1w 02:03:04", "1w2h3m4s"),
        ("2d00:00:01.5", "2d1s500ms"),
        ("90m", "1h30m"),
        ("0", None),
    ],
)
def test_durations_may_be_written_in_every_form(client: ByteClient, written: str, read: str | None) -> None:
    client.ask("/ip/hotspot/user/profile/set", "=numbers=default", f"=session-timeout={written}")
    (row,) = client.rows("/ip/hotspot/user/profile/print")
    assert row["session-timeout"] == (read or "0s")


def test_what_is_unset_is_left_out_and_what_has_a_default_is_there(client: ByteClient) -> None:
    client.ask("/ip/hotspot/user/add", "=name=guest")
    (row,) = client.rows("/ip/hotspot/user/print", "?name=guest")
    assert row["profile"] == "default"
    assert row["server"] == "all"
    assert not {"limit-uptime", "limit-bytes-total", "mac-address", "address", "comment", "password"} & set(row)
    client.ask("/ip/hotspot/user/set", f"=.id={row['.id']}", "=comment=note")
    client.ask("/ip/hotspot/user/set", f"=.id={row['.id']}", "=comment=")
    assert client.rows("/ip/hotspot/user/print", "?name=guest") == [row]


def test_new_hotspot_servers_sleep_until_they_are_enabled(client: ByteClient) -> None:
    client.ask("/ip/hotspot/add", "=interface=bridge", "=name=one")
    assert client.rows("/ip/hotspot/print")[0]["disabled"] == "true"
    client.ask("/ip/hotspot/enable", "=numbers=one")
    assert client.rows("/ip/hotspot/print")[0]["disabled"] == "false"


def test_rows_without_a_name_are_given_one(client: ByteClient) -> None:
    for _ in range(2):
        client.ask("/ip/pool/add", "=ranges=10.5.0.2-10.5.0.9")
    assert [row["name"] for row in client.rows("/ip/pool/print")] == ["pool1", "pool2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ((), ["a", "b", "c"]),
        (("?comment",), ["b", "c"]),
        (("?-comment",), ["a"]),
        (("?name=b",), ["b"]),
        (("?=name=b",), ["b"]),
        (("?name=B",), []),
        (("?name=a", "?name=b"), []),
        (("?name=a", "?name=b", "?#|"), ["a", "b"]),
        (("?name=a", "?#!"), ["b", "c"]),
        (("?name=a", "?name=b", "?name=c", "?#|!"), ["a"]),
        (("?>limit-bytes-total=9",), ["b", "c"]),
        (("?<limit-bytes-total=100",), ["a", "b"]),
        (("?comment", "?name=b", "?#1!&"), []),
        (("?comment", "?name=b", "?#0.!!&&"), ["b"]),
        (("?comment", "?name=c", "?#1"), ["b", "c"]),
        (("?comment", "?name=c", "?#0"), ["c"]),
        (("?comment", "?#."), ["b", "c"]),
        (("?comment=x=y",), ["c"]),
    ],
)
def test_queries_work_as_a_stack(client: ByteClient, query: tuple[str, ...], found: list[str]) -> None:
    for name, limit, comment in (("a", "9", ""), ("b", "50", "note"), ("c", "1000", "x=y")):
        client.ask("/ip/hotspot/user/add", f"=name={name}", f"=limit-bytes-total={limit}", f"=comment={comment}")
    rows = client.rows("/ip/hotspot/user/print", "=.proplist=name", "?default=false", *query[:0], *query)
    assert [row["name"] for row in rows] == found


def test_an_operator_without_operands_is_refused(client: ByteClient) -> None:
    assert "invalid query" in client.trap("/ip/hotspot/user/print", "?#&")["message"]


def test_rows_are_found_by_id_and_only_what_was_asked_for_comes_back(client: ByteClient) -> None:
    number = as_dict(client.ask("/ip/hotspot/user/add", "=name=guest")[0])["ret"]
    assert client.rows("/ip/hotspot/user/print", f"?.id={number}", "=.proplist=name,no-such-thing") == [
        {"name": "guest"}
    ]
    assert client.rows("/ip/hotspot/user/getall", "?name=guest", "=.proplist=.id") == [{".id": number}]


def test_counting_only_returns_a_number(client: ByteClient) -> None:
    assert client.ask("/ip/hotspot/user/print", "=count-only=") == [["!done", "=ret=1"]]
    assert client.ask("/ip/hotspot/user/print", "=count-only=", "?name=nobody") == [["!done", "=ret=0"]]


def test_several_rows_are_changed_by_a_list_of_ids(client: ByteClient) -> None:
    numbers = [as_dict(client.ask("/ip/hotspot/user/add", f"=name=u{n}")[0])["ret"] for n in range(3)]
    client.ask("/ip/hotspot/user/disable", f"=numbers={','.join(numbers[:2])}")
    client.ask("/ip/hotspot/user/comment", f"=numbers={numbers[2]}", "=comment=ours")
    rows = client.rows("/ip/hotspot/user/print", "?default=false")
    assert [(row["disabled"], row.get("comment")) for row in rows] == [
        ("true", None),
        ("true", None),
        ("false", "ours"),
    ]
    client.ask("/ip/hotspot/user/remove", f"=.id={','.join(numbers)}")
    assert client.rows("/ip/hotspot/user/print", "?default=false") == []


def test_one_value_is_got_and_rows_are_found(client: ByteClient) -> None:
    number = as_dict(client.ask("/ip/hotspot/user/add", "=name=guest")[0])["ret"]
    assert client.ask("/ip/hotspot/user/get", f"=.id={number}", "=value-name=name") == [["!done", "=ret=guest"]]
    assert client.ask("/system/identity/get", "=value-name=name") == [["!done", "=ret=market"]]
    assert number in as_dict(client.ask("/ip/hotspot/user/find")[0])["ret"].split(";")


def test_radius_servers_can_be_put_in_order(client: ByteClient) -> None:
    first, second = (
        as_dict(client.ask("/radius/add", f"=address=127.0.0.{n}", "=service=hotspot")[0])["ret"] for n in (1, 2)
    )
    client.ask("/radius/add", "=address=127.0.0.3", f"=place-before={first}")
    assert [row["address"] for row in client.rows("/radius/print")] == ["127.0.0.3", "127.0.0.1", "127.0.0.2"]
    client.ask("/radius/move", f"=numbers={second}", f"=destination={first}")
    assert [row["address"] for row in client.rows("/radius/print")] == ["127.0.0.3", "127.0.0.2", "127.0.0.1"]
    client.ask("/radius/move", f"=numbers={first}")
    assert client.rows("/radius/print")[-1]["address"] == "127.0.0.1"


def test_menus_of_one_set_of_values_have_no_ids(client: ByteClient) -> None:
    client.ask("/system/identity/set", "=name=harbour")
    assert client.rows("/system/identity/print") == [{"name": "harbour"}]
    (incoming,) = client.rows("/radius/incoming/print")
    assert incoming == {"accept": "false", "port": "1700", "vrf": "main"}


def test_ids_change_when_the_router_boots(router: VirtualRouter) -> None:
    old = router.run("/ip/hotspot/user/add", name="guest")[0]["ret"]
    router.reboot()
    with ByteClient(router.api_port) as client:
        (row,) = client.rows("/ip/hotspot/user/print", "?name=guest")
        assert row[".id"] != old
        assert client.trap("/ip/hotspot/user/remove", f"=.id={old}")["message"] == "no such item"


def test_a_group_without_write_may_look_and_nothing_else(router: VirtualRouter) -> None:
    router.run("/user/group/add", name="lookers", policy="api,read")
    router.run("/user/add", name="looker", password="p", group="lookers")
    router.run("/radius/add", address="127.0.0.1", secret="hush", service="hotspot")
    with ByteClient(router.api_port, "looker", "p") as client:
        assert client.rows("/system/identity/print") == [{"name": "market"}]
        for command in (
            ("/system/identity/set", "=name=mine"),
            ("/ip/hotspot/active/login", "=user=x"),
            ("/system/reboot",),
            ("/ping", "=address=127.0.0.1"),
            ("/user/add", "=name=x"),
        ):
            assert client.trap(*command) == {"message": "not enough permissions (9)"}
        assert "secret" not in client.rows("/radius/print")[0]


def test_an_account_without_api_rights_cannot_log_in(router: VirtualRouter) -> None:
    router.run("/user/group/add", name="web only", policy="web,read")
    router.run("/user/add", name="clerk", password="p", group="web only")
    with ByteClient(router.api_port, name=None) as client:
        assert client.trap("/login", "=name=clerk", "=password=p")["message"] == "invalid user name or password (6)"


def test_passwords_of_accounts_are_never_shown(client: ByteClient) -> None:
    assert [sorted(row) for row in client.rows("/user/print")] == [[".id", "disabled", "expired", "group", "name"]]


def test_writing_files_needs_the_ftp_policy(router: VirtualRouter) -> None:
    router.run("/user/group/add", name="billing", policy="api,read,write,test")
    router.run("/user/add", name="billing", password="p", group="billing")
    with ByteClient(router.api_port, "billing", "p") as client:
        trap = client.trap("/file/add", "=name=login.html", "=contents=x")
        assert trap["message"] == "failure: cannot open file: permission denied"


def test_the_clock_shows_the_routers_own_idea_of_the_time(router: VirtualRouter, client: ByteClient) -> None:
    assert router.clock.now().isoformat() == "2026-03-02T08:00:00+00:00"
    router.clock_skew_seconds = 3600
    (row,) = client.rows("/system/clock/print")
    assert (row["date"], row["time"], row["gmt-offset"]) == ("2026-03-02", "09:00:00", "+00:00")
    client.ask("/system/clock/set", "=time-zone-name=Africa/Nairobi")
    assert client.rows("/system/clock/print")[0]["time"] == "12:00:00"
    client.ask("/system/clock/set", "=date=2026-03-03", "=time=11:00:30")
    assert router.clock_skew_seconds == 24 * 3600 + 30


def test_uptime_runs_with_the_clock_and_begins_anew_at_boot(router: VirtualRouter) -> None:
    router.advance(3 * 86400 + 61)
    assert router.rows("/system/resource")[0]["uptime"] == "3d1m1s"
    router.reboot()
    router.advance(5)
    assert router.rows("/system/resource")[0]["uptime"] == "5s"


def test_a_reboot_ordered_by_a_program_cuts_it_off(router: VirtualRouter) -> None:
    router.advance(100)
    with ByteClient(router.api_port) as client:
        assert client.ask("/system/reboot") == [["!done"]]
        assert client.is_closed()
    eventually(lambda: router.rows("/system/resource")[0]["uptime"] == "0s", "the router is up again")


def test_the_log_can_be_written_and_forgets_its_oldest_lines(client: ByteClient) -> None:
    for line in range(1010):
        client.ask("/log/info", f"=message=line {line}")
    rows = client.rows("/log/print", "=.proplist=message")
    assert len(rows) == 1000
    assert rows[-1] == {"message": "line 1009"}


def test_interfaces_made_in_their_own_menu_can_be_used_elsewhere(client: ByteClient) -> None:
    client.ask("/interface/bridge/add", "=name=guests")
    assert client.rows("/interface/print", "?name=guests", "=.proplist=type") == [{"type": "bridge"}]
    assert client.ask("/ip/address/add", "=address=10.9.0.1/24", "=interface=guests")[0][0] == "!done"


def test_dynamic_limits_cannot_be_edited(router: VirtualRouter, client: ByteClient) -> None:
    with router.machine.lock:
        router.machine.tables["/queue/simple"].add({"name": "<hotspot-x>", "dynamic": "true"})
    (row,) = client.rows("/queue/simple/print")
    assert client.trap("/queue/simple/remove", f"=.id={row['.id']}")["message"].startswith("failure:")


def test_ping_counts_what_answers(client: ByteClient) -> None:
    rows = client.rows("/ping", "=address=127.0.0.1", "=count=2", "=interval=10ms")
    assert [(row["seq"], row["received"], row["packet-loss"]) for row in rows] == [("0", "1", "0"), ("1", "2", "0")]
    (lost,) = client.rows("/ping", "=address=10.20.7.7", "=count=1")
    assert (lost["status"], lost["packet-loss"]) == ("timeout", "100")


def test_versions_differ_where_the_schema_says_so() -> None:
    with VirtualRouter(version="7.18.2", clock=ManualClock()) as older, pytest.raises(Trap, match="come and go"):
        older.run("/ip/hotspot/active/add")
    with VirtualRouter(version="6.49.18", clock=ManualClock()) as oldest, pytest.raises(Trap, match="no such command"):
        oldest.run("/system/device-mode/print")
    with pytest.raises(ValueError, match="no command tree for RouterOS"):
        VirtualRouter(version="5.0")


def test_many_routers_live_in_one_process() -> None:
    with VirtualRouter("market", clock=ManualClock()) as one, VirtualRouter("harbour", clock=ManualClock()) as other:
        assert len({one.api_port, one.api_ssl_port, other.api_port, other.api_ssl_port}) == 4
        with ByteClient(other.api_port, "duka", "") as client:
            assert client.rows("/system/identity/print") == [{"name": "harbour"}]
