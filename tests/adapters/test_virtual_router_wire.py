"""The router's programming interface, byte by byte (reference routeros.md §1)."""

from __future__ import annotations

import hashlib
import random
import socket
from collections.abc import Iterator

import pytest

from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.test_virtual_router_kit import ByteClient, as_dict, eventually


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        yield router


@pytest.fixture
def client(router: VirtualRouter) -> Iterator[ByteClient]:
    with ByteClient(router.api_port) as client:
        yield client


@pytest.mark.parametrize("count", [10, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000])
def test_words_of_every_length_arrive_and_come_back_whole(client: ByteClient, count: int) -> None:
    note = ("0123456789abcdef" * (count // 16 + 1))[len("=comment=") : count]
    client.ask("/ip/hotspot/walled-garden/add", "=dst-host=pay.example", f"=comment={note}")
    (row,) = client.rows("/ip/hotspot/walled-garden/print")
    assert row["comment"] == note


@pytest.mark.parametrize("form", [b"\x06", b"\x80\x06", b"\xc0\x00\x06", b"\xe0\x00\x00\x06", b"\xf0\x00\x00\x00\x06"])
def test_a_length_may_be_written_longer_than_needed(client: ByteClient, form: bytes) -> None:
    client.sock.sendall(ByteClient.length(22) + b"/system/identity/print" + form + b".tag=9" + b"\0")
    first, last = client.hear_reply()
    assert ".tag=9" in first
    assert last == ["!done", ".tag=9"]


@pytest.mark.parametrize("control", range(0xF8, 0x100))
def test_a_control_byte_is_a_protocol_error_and_ends_the_connection(client: ByteClient, control: int) -> None:
    client.sock.sendall(bytes([control]) + b"/system/identity/print\0")
    assert client.hear()[0] == "!fatal"
    assert client.is_closed()


def test_empty_sentences_are_skipped(client: ByteClient) -> None:
    client.sock.sendall(b"\0\0\0")
    assert client.ask("/system/identity/print") == [["!re", "=name=market"], ["!done"]]


def test_a_value_may_hold_equals_signs_and_other_alphabets(client: ByteClient) -> None:
    client.ask("/ip/hotspot/walled-garden/add", "=dst-host=x.example", "=comment=a=b==café ✓")
    assert client.rows("/ip/hotspot/walled-garden/print")[0]["comment"] == "a=b==café ✓"


def test_several_commands_run_at_once_and_each_reply_says_whose_it_is(client: ByteClient) -> None:
    client.say("/ip/hotspot/user/listen", ".tag=ears")
    client.say("/system/identity/print", ".tag=two")
    client.say("/system/resource/print", "=.proplist=version", ".tag=three")
    heard = [client.hear() for _ in range(4)]
    assert [sentence for sentence in heard if ".tag=two" in sentence] == [
        ["!re", ".tag=two", "=name=market"],
        ["!done", ".tag=two"],
    ]
    assert [sentence[0] for sentence in heard if ".tag=three" in sentence] == ["!re", "!done"]


def test_listening_hears_new_changed_and_removed_rows_until_cancelled(
    client: ByteClient, router: VirtualRouter
) -> None:
    client.say("/ip/hotspot/user/listen", "=.proplist=.id,name,disabled", ".tag=5")
    eventually(lambda: router.machine.tables["/ip/hotspot/user"].listeners, "somebody listens")
    number = router.run("/ip/hotspot/user/add", name="guest", password="x")[0]["ret"]
    assert as_dict(client.hear()) == {".id": number, "name": "guest", "disabled": "false"}
    router.run("/ip/hotspot/user/disable", numbers=number)
    assert as_dict(client.hear())["disabled"] == "true"
    router.run("/ip/hotspot/user/remove", numbers=number)
    assert as_dict(client.hear()) == {".id": number, ".dead": "true"}
    client.say("/cancel", "=tag=5", ".tag=6")
    assert [client.hear() for _ in range(3)] == [
        ["!trap", ".tag=5", "=category=2", "=message=interrupted"],
        ["!done", ".tag=6"],
        ["!done", ".tag=5"],
    ]


def test_cancel_without_a_tag_interrupts_everything_on_this_connection_only(
    client: ByteClient, router: VirtualRouter
) -> None:
    with ByteClient(router.api_port) as other:
        other.say("/ip/hotspot/user/listen", ".tag=elsewhere")
        client.say("/ip/hotspot/user/listen", ".tag=1")
        client.say("/ip/hotspot/host/listen", ".tag=2")
        eventually(lambda: len(router.machine.tables["/ip/hotspot/user"].listeners) == 2, "both listen")
        client.say("/cancel")
        heard = [client.hear() for _ in range(5)]
        assert [sentence[:2] for sentence in heard] == [
            ["!trap", ".tag=1"],
            ["!trap", ".tag=2"],
            ["!done"],
            ["!done", ".tag=1"],
            ["!done", ".tag=2"],
        ]
        router.run("/ip/hotspot/user/add", name="guest")
        assert as_dict(other.hear())["name"] == "guest"


def test_cancelling_what_does_not_run_is_no_error(client: ByteClient) -> None:
    assert client.ask("/cancel", "=tag=nobody") == [["!done"]]


def test_endless_ping_goes_on_until_cancelled(client: ByteClient) -> None:
    client.say("/ping", "=address=127.0.0.1", "=interval=10ms", ".tag=p")
    assert [as_dict(client.hear())["seq"] for _ in range(3)] == ["0", "1", "2"]
    client.say("/cancel", "=tag=p")
    while (sentence := client.hear())[0] == "!re":
        continue
    assert sentence == ["!trap", ".tag=p", "=category=2", "=message=interrupted"]


def test_nobody_does_anything_before_logging_in(router: VirtualRouter) -> None:
    with ByteClient(router.api_port, name=None) as stranger:
        assert stranger.ask("/system/identity/print") == [["!fatal", "not logged in"]]
        assert stranger.is_closed()


def test_a_wrong_password_is_refused_and_may_be_tried_again(router: VirtualRouter) -> None:
    with ByteClient(router.api_port, name=None) as client:
        trap = client.trap("/login", "=name=duka", "=password=guess")
        assert trap["message"] == "invalid user name or password (6)"
        assert client.trap("/login", "=name=nobody", "=password=")["message"] == "invalid user name or password (6)"
        assert client.ask("/login", "=name=duka", "=password=router password") == [["!done"]]


def test_a_router_before_6_43_wants_the_challenge_answered() -> None:
    with (
        VirtualRouter(password="router password", version="6.42.12", clock=ManualClock()) as old,
        ByteClient(old.api_port, name=None) as client,
    ):
        ((done, ret),) = client.ask("/login", "=name=duka", "=password=router password")
        assert done == "!done"
        challenge = bytes.fromhex(ret.removeprefix("=ret="))
        answer = hashlib.md5(b"\0router password" + challenge, usedforsecurity=False).hexdigest()
        assert client.trap("/login", "=name=duka", "=response=00" + "0" * 32)["message"] == "cannot log in"
        challenge = bytes.fromhex(client.ask("/login")[0][1].removeprefix("=ret="))
        assert client.trap("/login", "=name=duka", f"=response=00{answer}")["message"] == "cannot log in"
        challenge = bytes.fromhex(client.ask("/login")[0][1].removeprefix("=ret="))
        answer = hashlib.md5(b"\0router password" + challenge, usedforsecurity=False).hexdigest()
        assert client.ask("/login", "=name=duka", f"=response=00{answer}") == [["!done"]]
        assert client.rows("/system/identity/print") == [{"name": "market"}]


def test_a_challenge_is_good_for_one_answer_only() -> None:
    with (
        VirtualRouter(password="router password", version="6.42.12", clock=ManualClock()) as old,
        ByteClient(old.api_port, name=None) as client,
    ):
        challenge = bytes.fromhex(client.ask("/login")[0][1].removeprefix("=ret="))
        answer = hashlib.md5(b"\0router password" + challenge, usedforsecurity=False).hexdigest()
        assert client.trap("/login", "=name=stranger", f"=response=00{answer}")["message"] == "cannot log in"
        assert client.trap("/login", "=name=duka", "=response=00")["message"] == "cannot log in"
        assert client.trap("/login", "=name=duka", f"=response=00{answer}")["message"] == "cannot log in"


def test_quit_is_answered_with_a_goodbye(client: ByteClient) -> None:
    assert client.ask("/quit") == [["!fatal", "session terminated on request"]]
    assert client.is_closed()


def test_since_7_18_finding_nothing_is_said_aloud() -> None:
    for version, expected in (
        ("7.21.5", [["!empty"], ["!done"]]),
        ("7.18.2", [["!empty"], ["!done"]]),
        ("6.49.18", [["!done"]]),
    ):
        with (
            VirtualRouter(password="router password", version=version, clock=ManualClock()) as router,
            ByteClient(router.api_port) as client,
        ):
            assert client.ask("/ip/hotspot/user/print", "?name=nobody") == expected


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"\xf0\xff\xff\xff\xff", id="a word of 4 GiB"),
        pytest.param(b"\x84\x01" + b"x" * 1025, id="a word of 1 KiB and one byte"),
        pytest.param(b"\x01x" * 17, id="a sentence of 17 words"),
        pytest.param((b"\x83\xff" + b"x" * 1023) * 5, id="five long words"),
    ],
)
def test_strangers_get_little_room(router: VirtualRouter, flood: bytes) -> None:
    with ByteClient(router.api_port, name=None) as stranger:
        stranger.sock.sendall(flood)
        assert stranger.hear()[0] == "!fatal"
        assert stranger.is_closed()


def test_strangers_may_not_go_on_guessing_for_ever(router: VirtualRouter) -> None:
    with ByteClient(router.api_port, name=None) as stranger:
        for _ in range(16):
            assert stranger.trap("/login", "=name=duka", "=password=guess")["message"]
        assert stranger.ask("/login", "=name=duka", "=password=guess") == [["!fatal", "too many commands before login"]]


def test_a_word_beyond_4_mib_ends_the_connection_without_being_read(client: ByteClient) -> None:
    client.sock.sendall(b"\xe0\x40\x00\x01")
    assert client.hear() == ["!fatal", "sentence too long"]


def test_a_sentence_of_too_many_words_ends_the_connection(client: ByteClient) -> None:
    client.sock.sendall(b"\x01x" * 4097)
    assert client.hear() == ["!fatal", "too many words"]


def test_random_bytes_never_stop_the_router(router: VirtualRouter) -> None:
    dice = random.Random(20260302)
    for logged_in in (False, True):
        for _ in range(60):
            with ByteClient(router.api_port, name="duka" if logged_in else None) as noise:
                noise.sock.sendall(dice.randbytes(dice.randrange(1, 300)))
                noise.sock.shutdown(socket.SHUT_WR)
                while noise.sock.recv(4096):
                    continue
    with ByteClient(router.api_port) as client:
        assert client.rows("/system/identity/print") == [{"name": "market"}]


@pytest.mark.parametrize(
    "words",
    [
        ("no slash",),
        ("/",),
        ("//",),
        ("/\0/print",),
        ("/ip/../etc/print",),
        ("/system/identity/print", "?#"),
        ("/system/identity/print", "?#!!!!!&&&&"),
        ("/system/identity/print", "?"),
        ("/system/identity/print", "?<"),
        ("/system/identity/print", "?#99999999999"),
        ("/system/identity/print", "stray"),
        ("/ip/hotspot/user/set", "=.id=*ZZ", "=name=x"),
        ("/ip/hotspot/user/set", "=.id=*" + "F" * 400, "=name=x"),
        ("/ip/hotspot/user/add", "=name=" + "x" * 5000, "=limit-uptime=" + "9" * 5000),
        ("/ip/hotspot/active/login", "=user=x", "=ip=999.1.1.1"),
        ("/system/clock/set", "=time-zone-name=../../../etc/passwd"),
        ("/ping", "=address=127.0.0.1", "=count=" + "9" * 50),
        ("/radius/monitor", "=numbers=*1", "=once="),
    ],
)
def test_hostile_sentences_are_answered_and_the_connection_goes_on(client: ByteClient, words: tuple[str, ...]) -> None:
    assert client.ask(*words)[-1][0] == "!done"
    assert client.rows("/system/identity/print") == [{"name": "market"}]


def test_the_21st_session_is_turned_away_and_a_free_place_is_given_again(router: VirtualRouter) -> None:
    clients = [ByteClient(router.api_port) for _ in range(20)]
    with ByteClient(router.api_port, name=None) as late:
        assert late.is_closed()
    clients.pop().__exit__()
    eventually(lambda: router.api_sessions == 19, "a session ended")
    clients.append(ByteClient(router.api_port))
    for client in clients:
        client.__exit__()


def test_a_service_may_be_closed_to_all_but_some_addresses(router: VirtualRouter) -> None:
    router.run("/ip/service/set", numbers="api", address="10.9.0.0/24")
    with ByteClient(router.api_port, name=None) as stranger:
        assert stranger.is_closed()
    router.run("/ip/service/set", numbers="api", address="10.9.0.0/24,127.0.0.0/8")
    with ByteClient(router.api_port) as friend:
        assert friend.rows("/system/identity/print") == [{"name": "market"}]


def test_a_client_that_never_reads_hurts_nobody_else(router: VirtualRouter) -> None:
    for count in range(200):
        router.run("/ip/hotspot/user/add", name=f"guest{count}", comment="x" * 200)
    with ByteClient(router.api_port) as deaf, ByteClient(router.api_port) as client:
        deaf.sock.setblocking(False)
        question = b"\x16/ip/hotspot/user/print\0"
        try:
            while True:
                deaf.sock.send(question * 50)
        except BlockingIOError:
            pass
        assert len(client.rows("/ip/hotspot/user/print")) == 201
