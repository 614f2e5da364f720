"""Customers' own routers at the far end of a PPPoE line: they dial, and dial again when they are hung up on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.routeros.ppp import PppServer
    from sim.routeros.ppp_roster import PppSession


class PppoeClient:
    """One line with somebody at its end. `method` is how it proves its password; see `proofs.METHODS`."""

    def __init__(self, server: PppServer, user: str, password: str, mac: str, method: str, *, redials: bool) -> None:
        self._server = server
        self.user = user
        self.password = password
        self.mac = mac
        self.method = method
        self.redials = redials
        self.present = True
        self.left_at_seconds = 0.0
        self.wants_to_be_online = False
        self.dialling = False
        self.session: PppSession | None = None
        self.error = ""

    @property
    def online(self) -> bool:
        """Whether the line is up: it has a row in `/ppp/active`."""
        return self.session is not None

    @property
    def address(self) -> str:
        """The address it was given; empty while it is not online."""
        session = self.session
        return "" if session is None else session.address

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The IPv6 prefixes of the line itself; none while it is not online."""
        session = self.session
        return () if session is None else session.grant.prefixes

    @property
    def session_id(self) -> str:
        """What accounting calls the session; empty while it is not online."""
        session = self.session
        return "" if session is None else session.session_id

    def dial(self) -> None:
        """Try to get online, and go on trying when it does not work or the session ends."""
        self._server.dial(self)

    def hang_up(self) -> None:
        """End the session, and stay offline."""
        self._server.hang_up(self)

    def cut_line(self) -> None:
        """Somebody digs up the cable; the router notices when its keepalive goes unanswered."""
        self._server.line_cut(self)

    def mend_line(self) -> None:
        """The cable is whole again."""
        self._server.line_mended(self)

    def move_traffic(self, upload_bytes: int, download_bytes: int) -> int:
        """Send and receive; returns how many bytes really passed."""
        return self._server.move_traffic(self, upload_bytes, download_bytes)
