"""Telling a router about a running session: end it, or new limits (radius.md §3).

UDP, signed with the router's RADIUS secret, a Message-Authenticator always. An answer is never proof: read the router's
tables afterwards. A NAK means "look at the router", whatever its Error-Cause says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from pyrad.client import Client, Timeout
from pyrad.dictionary import Dictionary
from pyrad.packet import CoAACK, CoANAK, CoARequest, DisconnectACK, DisconnectNAK, DisconnectRequest

from core.errors import GatewayDown, GatewayRefused
from core.ports import RouterAddress, SessionRef

DICTIONARY = Path(__file__).with_name("dictionary") / "dictionary"
ATTEMPTS = 3
TIMEOUT_SECONDS = 1.0
ATTRIBUTE_BYTES_MAX = 253
VENDOR_BYTES_MAX = 247
SESSION_TIMEOUT_SECONDS_MAX = 2**32 - 1
DEAF_SECONDS = 30.0
"""A router whose CoA port is closed must not cost every customer the whole patience; the API is the other way."""
assert ATTEMPTS * TIMEOUT_SECONDS <= 5, "a silent router must leave the job time for other things"

_RATE = re.compile(r"\d{1,9}[kM]?/\d{1,9}[kM]?(?: [0-9kM/]{1,30}){0,6}", re.ASCII)
_ACK = {CoARequest: CoAACK, DisconnectRequest: DisconnectACK}
_NAK = {CoARequest: CoANAK, DisconnectRequest: DisconnectNAK}
_NUMBERS = frozenset({"Idle-Timeout", "Port-Limit"})
FURTHER = _NUMBERS | {"Mikrotik-Group", "Mikrotik-Mark-Id", "Filter-Id"}
"""What an order changes besides rate and time (radius.md §3); no package of ours limits one direction only."""


class RadiusCoA:
    """The `ChangeOfAuthorization` port. Each call has its own socket, so any number of threads may use one of these."""

    def __init__(
        self,
        dictionary: Path = DICTIONARY,
        *,
        attempts: int = ATTEMPTS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout_seconds` is waited after each of the `attempts`; `monotonic` times how long a deaf router is spared."""
        self._dictionary = Dictionary(str(dictionary))
        self._attempts = attempts
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._deaf_until: dict[tuple[int, str, int], float] = {}

    def disconnect(self, router: RouterAddress, session: SessionRef) -> bool:
        """Ask the router to end a session (it also forgets the device's mac-cookie). False on NAK."""
        return self._ask(router, session, DisconnectRequest, {})

    def change(
        self, router: RouterAddress, session: SessionRef, *, rate: str | None, session_timeout_seconds: int | None,
        further: Sequence[tuple[str, str]] = (),
    ) -> bool:  # fmt: skip
        """Send new limits to a running session; None leaves one as it is. False on NAK.

        Data limits, address lists, addresses and pools cannot be changed so: end the session instead. `rate` is in the
        syntax of `Mikrotik-Rate-Limit`, upload first; `further` may hold what stands in `FURTHER`. Raises ValueError when
        there is nothing sensible to send.
        """
        limits: dict[str, str | int] = {}
        if rate is not None:
            if not _RATE.fullmatch(rate):
                raise ValueError(f"not a rate limit: {rate[:80]!r}")
            limits["Mikrotik-Rate-Limit"] = rate
        if session_timeout_seconds is not None:
            if not 0 < session_timeout_seconds <= SESSION_TIMEOUT_SECONDS_MAX:
                raise ValueError(f"not a session timeout: {session_timeout_seconds}")
            limits["Session-Timeout"] = session_timeout_seconds
        for name, value in further:
            limits[name] = _further(name, value)
        if not limits:
            raise ValueError("a change that changes nothing")
        return self._ask(router, session, CoARequest, limits)

    def _ask(self, router: RouterAddress, session: SessionRef, code: int, limits: dict[str, str | int]) -> bool:
        names = _identity(router, session)
        ear = (router.router_id, router.host, router.coa_port)
        if self._monotonic() < self._deaf_until.get(ear, 0):
            raise GatewayDown(f"router {router.name!r} did not answer on its CoA port a moment ago")
        client = Client(
            server=router.host,
            coaport=router.coa_port,
            secret=router.radius_secret.encode(),
            dict=self._dictionary,
            retries=self._attempts,
            timeout=self._timeout_seconds,
        )
        packet = client.CreateCoAPacket(code=code)
        for name, value in {**names, **limits}.items():
            packet[name] = value
        packet.add_message_authenticator()
        try:
            reply = client.SendPacket(packet)
        except Timeout as error:
            self._deaf_until[ear] = self._monotonic() + DEAF_SECONDS
            raise GatewayDown(f"router {router.name!r} does not answer on its CoA port") from error
        except OSError as error:
            raise GatewayDown(f"router {router.name!r}: {error.strerror or error}") from error
        finally:
            client._CloseSocket()  # the library has no public way, and would leave it to the garbage collector
        if reply.code not in (_ACK[code], _NAK[code]):
            raise GatewayDown(f"router {router.name!r} answered with packet code {reply.code}")
        return bool(reply.code == _ACK[code])


def _further(name: str, value: str) -> str | int:
    """A further limit as its attribute takes it. Raises ValueError for what an order cannot change."""
    if name not in FURTHER:
        raise ValueError(f"no order changes {name[:40]!r}")
    if name in _NUMBERS:
        if not (value.isascii() and value.isdigit() and 0 < int(value) <= SESSION_TIMEOUT_SECONDS_MAX):
            raise ValueError(f"not a number for {name}: {value[:40]!r}")
        return int(value)
    if not value.isprintable() or not 0 < len(value.encode()) <= VENDOR_BYTES_MAX:
        raise ValueError(f"not a text for {name}: {value[:40]!r}")
    return value


def _identity(router: RouterAddress, session: SessionRef) -> dict[str, str]:
    """The three names of a session. What accounting did not tell is left out; what no packet can carry is refused."""
    names = {"User-Name": session.username, "Acct-Session-Id": session.session_id}
    try:
        if session.framed_ip:
            names["Framed-IP-Address"] = str(IPv4Address(session.framed_ip))
    except AddressValueError as error:
        raise _no_session(router) from error
    if any(len(text.encode()) > ATTRIBUTE_BYTES_MAX for text in names.values()):
        raise _no_session(router)
    return {name: text for name, text in names.items() if text}


def _no_session(router: RouterAddress) -> GatewayRefused:
    return GatewayRefused(f"no session of router {router.name!r} can have such a name", code="session")
