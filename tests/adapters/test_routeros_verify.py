"""A router that was just typed in: what is wrong with it is said so that a person can act on it, and never takes long."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from core.adapters.routeros import MikrotikHotspot
from core.errors import GatewayRefused
from core.findings import Finding
from core.ports import RouterAddress
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.router_side import (
    DONE,
    LOCAL,
    PASSWORD,
    PATIENCE,
    bounded,
    drip,
    row,
    scripted,
    without_certificate,
)

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def hotspot() -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(PATIENCE)
    yield hotspot
    hotspot.close()


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(username="duka", password=PASSWORD, clock=ManualClock(NOW)) as made:
        yield made


def place(router: VirtualRouter, *, tls: bool = False) -> RouterAddress:
    return replace(LOCAL, api_port=router.api_ssl_port if tls else router.api_port, api_tls=tls)


def only(hotspot: MikrotikHotspot, where: RouterAddress) -> Finding:
    """The one thing that is in the way."""
    with bounded():
        seen = hotspot.verify(where, NOW)
    (finding,) = [one for one in seen.findings if one.blocks]
    assert seen.blocked
    assert finding.advice
    return finding


@contextmanager
def listening(talk: Iterable[bytes], *, first: bool) -> Iterator[int]:
    """Somebody who is no router: says its pieces `first`, or once it has been spoken to. Yields its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        door.settimeout(10)
        over = threading.Event()

        def serve() -> None:
            with suppress(OSError):
                peer, _ = door.accept()
                with closing(peer):
                    if not first:
                        peer.recv(1000)
                    for piece in talk:
                        peer.sendall(piece)
                        if over.is_set():
                            return
                    over.wait(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        over.set()
        thread.join(10)


def test_a_service_that_does_not_allow_our_address_is_told_as_what_it_is(
    hotspot: MikrotikHotspot, router: VirtualRouter
) -> None:
    router.run("/ip/service/set", numbers="api", address="192.0.2.1")
    (finding,) = hotspot.verify(place(router), NOW).findings
    assert (finding.code, finding.blocks) == ("hung_up", True)
    assert "hangs up without a word" in finding.text and "address=" in finding.advice


def test_a_good_router_has_nothing_in_its_way_and_says_what_it_is(
    hotspot: MikrotikHotspot, router: VirtualRouter
) -> None:
    seen = hotspot.verify(place(router), NOW)
    assert not seen.blocked
    assert seen.health is not None
    assert seen.health.version.startswith("7.21.5")
    assert seen.certificate_sha256 == ""
    assert {finding.code for finding in seen.findings} <= {"set_up"}


def test_a_name_nobody_knows(hotspot: MikrotikHotspot) -> None:
    assert only(hotspot, replace(LOCAL, host="nobody.invalid", api_port=8728)).code == "name"


def test_a_port_that_is_closed(hotspot: MikrotikHotspot) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    finding = only(hotspot, replace(LOCAL, api_port=port))
    assert finding.code == "closed"
    assert f"port={port}" in finding.advice


def test_an_address_where_nothing_answers(hotspot: MikrotikHotspot) -> None:
    """A door whose queue is full drops who knocks, as a firewall does, or an address without a box."""
    with ExitStack() as stack:
        door = stack.enter_context(closing(socket.socket()))
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        port = door.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        finding = only(hotspot, replace(LOCAL, api_port=port))
    assert (finding.code, finding.text) == ("unreachable", "nothing answers at 127.0.0.1")


STRANGERS: dict[str, tuple[str, bool, Iterable[bytes]]] = {
    "a web server": ("foreign", False, [b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html></html>"]),
    "SSH": ("foreign", True, [b"SSH-2.0-OpenSSH_9.2p1\r\n"]),
    "a mail server": ("foreign", True, [b"220 mail.example ESMTP\r\n"]),
    "silence": ("silence", False, []),
    "garbage": ("foreign", True, [b"\xff\x00\x17\x03" * 8]),
    "a slow drip": ("foreign", False, drip(threading.Event(), every_seconds=0.05)),
    "replies without end": ("broken", False, itertools.repeat(b"\x03!re\x00" * 1000)),
    "a word of 300 MB": ("foreign", False, [b"\xf0\x12\xc0\x00\x00" + b"x" * 1000]),
}


@pytest.mark.parametrize(("code", "first", "talk"), STRANGERS.values(), ids=STRANGERS.keys())
def test_somebody_else_than_a_router(hotspot: MikrotikHotspot, code: str, first: bool, talk: Iterable[bytes]) -> None:
    with listening(talk, first=first) as port:
        finding = only(hotspot, replace(LOCAL, api_port=port))
    assert finding.code == code
    assert PASSWORD not in finding.text


def test_who_answers_is_named(hotspot: MikrotikHotspot) -> None:
    with listening([b"SSH-2.0-dropbear\r\n"], first=True) as port:
        assert "an SSH server (it says 'SSH-2.0-dropbear')" in only(hotspot, replace(LOCAL, api_port=port)).text


def test_tls_where_there_is_none(hotspot: MikrotikHotspot, router: VirtualRouter) -> None:
    assert only(hotspot, replace(place(router), api_tls=True)).code == "tls"


def test_a_wrong_password(hotspot: MikrotikHotspot, router: VirtualRouter) -> None:
    finding = only(hotspot, replace(place(router), password="guess"))
    assert finding.code == "login"
    assert "guess" not in finding.text


def test_rights_that_are_missing_are_named(hotspot: MikrotikHotspot, router: VirtualRouter) -> None:
    router.run("/user/group/add", name="narrow", policy="api,read,test")
    router.run("/user/add", name="narrow", password="narrow", group="narrow")
    finding = only(hotspot, replace(place(router), username="narrow", password="narrow"))
    assert finding.code == "rights"
    assert finding.text.endswith("lacks rights: write, ftp")
    assert "policy=api,read,write,test,ftp" in finding.advice


def test_a_router_from_before_6_43_is_too_old(hotspot: MikrotikHotspot) -> None:
    with listening([b"\x05!done\x25=ret=" + b"a" * 32 + b"\x00"], first=False) as port:
        assert only(hotspot, replace(LOCAL, api_port=port)).code == "old"


@pytest.mark.parametrize(("version", "blocks"), [("6.42.9", True), ("6.48.6 (long-term)", False)])
def test_an_old_version_is_told_and_a_very_old_one_refused(
    hotspot: MikrotikHotspot, version: str, blocks: bool
) -> None:
    with scripted([row(version=version) + DONE, DONE]) as old:
        seen = hotspot.verify(replace(LOCAL, api_port=old.port), NOW)
    (finding,) = [one for one in seen.findings if one.code == "old"]
    assert finding.blocks == blocks
    assert "update" in finding.advice


def test_device_mode_that_forbids_the_hotspot(hotspot: MikrotikHotspot) -> None:
    with VirtualRouter(username="duka", password=PASSWORD, clock=ManualClock(NOW), device_mode="home") as router:
        finding = only(hotspot, place(router))
    assert finding.code == "device_mode"
    assert "button" in finding.advice


def test_a_clock_that_is_wrong_is_said_by_how_much(hotspot: MikrotikHotspot) -> None:
    with VirtualRouter(username="duka", password=PASSWORD, clock=ManualClock(NOW - timedelta(minutes=17))) as router:
        seen = hotspot.verify(place(router), NOW)
    (finding,) = [one for one in seen.findings if one.code == "clock"]
    assert (finding.text, finding.blocks) == ("its clock is 17 min behind", False)


def test_a_clock_of_1970_is_days_behind(hotspot: MikrotikHotspot) -> None:
    with VirtualRouter(
        username="duka", password=PASSWORD, clock=ManualClock(datetime(1970, 1, 2, tzinfo=UTC))
    ) as router:
        seen = hotspot.verify(place(router), NOW)
    assert [one.text for one in seen.findings if one.code == "clock"] == ["its clock is 20776 days behind"]


# ---- certificates ------------------------------------------------------------------------------------------------------


def test_a_certificate_is_shown_as_its_fingerprint(hotspot: MikrotikHotspot, router: VirtualRouter) -> None:
    pem = ssl.get_server_certificate((router.host, router.api_ssl_port))
    seen = hotspot.verify(place(router, tls=True), NOW)
    assert seen.certificate_sha256 == sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def test_another_certificate_is_refused_before_the_password_is_said(router: VirtualRouter) -> None:
    with closing(MikrotikHotspot(PATIENCE)) as hotspot:
        pinned = hotspot.verify(place(router, tls=True), NOW).certificate_sha256
    with closing(MikrotikHotspot(PATIENCE)) as hotspot:
        assert not hotspot.verify(replace(place(router, tls=True), certificate_sha256=pinned), NOW).blocked
        with VirtualRouter(username="duka", password=PASSWORD, clock=ManualClock(NOW)) as impostor:
            there = replace(place(impostor, tls=True), certificate_sha256=pinned)
            finding = only(hotspot, there)
            with pytest.raises(GatewayRefused) as refused:
                hotspot.online(there)
    assert finding.code == refused.value.code == "certificate"
    assert "--accept-certificate" in finding.advice


def test_a_router_that_shows_none_any_more_is_refused_too(tmp_path: Path) -> None:
    with closing(MikrotikHotspot(PATIENCE)) as hotspot, scripted([DONE], without_certificate(tmp_path)) as bare:
        where = replace(LOCAL, api_port=bare.port, api_tls=True, certificate_sha256="0" * 64)
        assert only(hotspot, where).code == "certificate"
        assert bare.heard == []
