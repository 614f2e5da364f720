"""The world beyond the cable, as far as this machine can play it: names, and what answers behind them on loopback."""

from __future__ import annotations

import ipaddress
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message

ANSWER_SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What an HTTP server said."""

    status: int
    headers: dict[str, str]
    body: bytes


class NothingThere(Exception):
    """Nobody answers at that address."""


@dataclass
class Internet:
    """Names lead to addresses, and addresses (with a port) to loopback ports where something really listens.

    `names["portal.example"] = "198.51.100.7"` and `doors["198.51.100.7", 443] = ("127.0.0.1", 41234)` make a host. A
    loopback address leads to itself.
    """

    names: dict[str, str] = field(default_factory=dict)
    doors: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    def resolve(self, host: str) -> str | None:
        """The address of a name, or of an address; None when nobody knows it."""
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            return "127.0.0.1" if host == "localhost" else self.names.get(host.lower())

    def door(self, address: str, port: int) -> tuple[str, int] | None:
        """Where on this machine that address and port are played; None when nowhere."""
        if ipaddress.ip_address(address).is_loopback:
            return address, port
        door = self.doors.get((address, port))
        if door is not None and not ipaddress.ip_address(door[0]).is_loopback:
            raise ValueError(f"{door[0]} is not on this machine")
        return door

    def ask(
        self, url: str, method: str, body: bytes | None, headers: Mapping[str, str], *, proves_itself: bool = False
    ) -> Answer:
        """An HTTP request to one of the hosts, without following redirects. Raises NothingThere.

        With `proves_itself` an https server must have a certificate somebody trusts.
        """
        parts = urllib.parse.urlsplit(url)
        address = self.resolve(parts.hostname or "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        door = self.door(address, port) if address is not None else None
        if door is None:
            raise NothingThere(f"nobody answers at {parts.hostname}:{port}")
        at = urllib.parse.urlunsplit((parts.scheme, f"{door[0]}:{door[1]}", parts.path or "/", parts.query, ""))
        question = urllib.request.Request(at, data=body, method=method, headers={"Host": parts.netloc, **headers})
        context = ssl.create_default_context()
        if not proves_itself:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _StayPut())
        try:
            with opener.open(question, timeout=ANSWER_SECONDS_MAX) as answer:
                return Answer(answer.status, _headers(answer.headers), answer.read(ANSWER_BYTES_MAX + 1))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, _headers(refused.headers), refused.read(ANSWER_BYTES_MAX + 1))
        except (OSError, ValueError) as broken:
            raise NothingThere(str(broken)[:200]) from broken


class _StayPut(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead off this machine, and whoever asked wants to see it."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _headers(found: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in found.items()}
