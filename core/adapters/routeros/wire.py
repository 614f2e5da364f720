"""One logged-in connection to a router's API, by librouteros, with limits of our own (routeros.md §1, §2).

librouteros times single socket operations and trusts announced lengths. Here every command has a total deadline, and a
router that announces an absurd word is hung up on before a byte of it is stored.

Over TLS a certificate is known by its fingerprint and not by who signed it: routers sign their own. The one that a router
showed first is the one it has to show for ever (`RouterAddress.certificate_sha256`); with another, nothing is said to it, the
password least of all. A router without any offers only anonymous Diffie-Hellman, which therefore stands last in the cipher
list: that stops eavesdropping but not impersonation, so such an API belongs inside a tunnel (routeros.md §1.5).
"""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

from librouteros.api import Api
from librouteros.exceptions import LibRouterosError, MultiTrapError, TrapError
from librouteros.protocol import ApiProtocol

from core.adapters.routeros.values import Row, harmless
from core.ports import RouterAddress

WORD_BYTES_MAX = 1 << 20
REPLY_BYTES_MAX = 16 << 20
CHUNK_BYTES = 1 << 16
HEARD_BYTES = 64
assert CHUNK_BYTES < WORD_BYTES_MAX < REPLY_BYTES_MAX

FOREIGN = {b"HTTP/": "a web server", b"SSH-": "an SSH server", b"220": "a mail or file server", b"<": "a web server"}
TLS_CIPHERS = "ALL:+aNULL:@SECLEVEL=0"

logging.getLogger("librouteros").setLevel(logging.WARNING)  # at DEBUG it writes every word down, passwords included


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a router may take: for its turn (another thread is talking to it), to connect, per command, in all."""

    turn_seconds: float = 6.0
    connect_seconds: float = 2.0
    command_seconds: float = 8.0
    call_seconds: float = 12.0
    pause_seconds_max: float = 60.0
    """One that does not answer is left alone for ever longer, up to this."""

    def __post_init__(self) -> None:
        assert self.connect_seconds + self.command_seconds <= self.call_seconds, "a call needs room for one command"


class Broken(Exception):
    """The connection is of no use any more: silence, a hang-up, or nonsense. The message says which.

    `code`: name (nobody knows it) · unreachable · closed · tls · silence · foreign (somebody else answers) · broken.
    """

    def __init__(self, text: str, code: str = "broken") -> None:
        super().__init__(text)
        self.code = code


class Impostor(Exception):
    """The certificate is not the one this router is known by. `found` is the fingerprint of what was shown, may be empty."""

    def __init__(self, found: str) -> None:
        super().__init__("shows another certificate than the one it is known by")
        self.found = found


class Trap(Exception):
    """The router understood and said no, in these words."""

    def __init__(self, text: str) -> None:
        super().__init__(harmless(text))
        self.text = harmless(text).lower()


class Deadline:
    """A moment after which we stop waiting."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        return self._until - time.monotonic()


class _Transport:
    """The bytes under librouteros: buffered, counted, and always within the deadline of the running command."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()
        self._received_bytes = 0
        self._deadline = Deadline(0)
        self.heard = b""
        """How it began."""

    def begin(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._received_bytes = 0

    def write(self, raw: bytes) -> None:
        self._socket.settimeout(self._left_seconds())
        self._socket.sendall(raw)

    def read(self, length: int) -> bytes:
        if length > WORD_BYTES_MAX:
            raise Broken(f"announced a word of {length} bytes")
        while len(self._buffer) < length:
            self._socket.settimeout(self._left_seconds())
            chunk = self._socket.recv(CHUNK_BYTES)
            if not chunk:
                raise Broken("hung up")
            self._received_bytes += len(chunk)
            if self._received_bytes > REPLY_BYTES_MAX:
                raise Broken("does not stop talking")
            if len(self.heard) < HEARD_BYTES:
                self.heard = (self.heard + chunk)[:HEARD_BYTES]
            self._buffer += chunk
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def close(self) -> None:
        self._socket.close()

    def _left_seconds(self) -> float:
        left = self._deadline.left_seconds
        if left <= 0:
            raise TimeoutError("deadline")
        return left


class Connection:
    """A conversation with one router. When it is not `in_step` it must be closed and made anew."""

    def __init__(self, router: RouterAddress, patience: Patience, deadline: Deadline) -> None:
        """Connect and log in. Raises `Broken`, `Impostor`, or `Trap` when the login is refused."""
        self._patience = patience
        self.in_step = True
        self.certificate_sha256 = ""
        with ExitStack() as undo:
            sock = self._dial(router, min(patience.connect_seconds, max(deadline.left_seconds, 0.001)), undo)
            if router.certificate_sha256 not in ("", self.certificate_sha256):
                raise Impostor(self.certificate_sha256)
            self._transport = _Transport(sock)
            self._api = Api(protocol=ApiProtocol(transport=self._transport, encoding="UTF-8"))
            try:
                challenge = self.ask(deadline, "/login", f"=name={router.username}", f"=password={router.password}")
            except Broken as error:
                raise _who_is_that(self._transport.heard, error) from error
            if challenge:
                raise Trap("cannot log in: this router is too old, it needs RouterOS 6.43")
            undo.pop_all()

    def _dial(self, router: RouterAddress, seconds: float, undo: ExitStack) -> socket.socket:
        with _hardships(silence="unreachable"):
            sock = socket.create_connection((router.host, router.api_port), timeout=seconds)
        undo.callback(sock.close)
        if not router.api_tls:
            return sock
        with _hardships(silence="tls"):
            wrapped = _tls().wrap_socket(sock)
        undo.callback(wrapped.close)
        shown = wrapped.getpeercert(binary_form=True)
        self.certificate_sha256 = hashlib.sha256(shown).hexdigest() if shown else ""
        return wrapped

    def ask(self, deadline: Deadline, command: str, *words: str) -> list[Row]:
        """Send one command and read its whole reply. Raises `Trap` for a refusal, `Broken` for everything else."""
        self._transport.begin(Deadline(min(self._patience.command_seconds, deadline.left_seconds)))
        self.in_step = False  # whatever ends us between question and answer, a worker's own time limit included
        try:
            with _hardships():
                reply = tuple(self._api.rawCmd(command, *words))
        except Trap:
            self.in_step = True
            raise
        self.in_step = True
        return [{str(name): _text(value) for name, value in row.items()} for row in reply]

    def close(self) -> None:
        self._transport.close()


def _text(value: object) -> str:
    """librouteros turns words into int and bool; back to the router's own spelling."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 has no anonymous key exchange
    context.set_ciphers(TLS_CIPHERS)
    return context


def _who_is_that(heard: bytes, error: Broken) -> Broken:
    """What the login broke on, in better words if something was heard: RouterOS begins with a short word that has a `!` first."""
    if heard[1:2] == b"!" and error.code == "silence":
        return Broken("talks and comes to no end", "broken")
    if not heard or heard[1:2] == b"!":
        return error
    said = harmless(heard.decode("latin-1"))[:40]
    name = next((name for start, name in FOREIGN.items() if heard.startswith(start)), "something that is not RouterOS")
    return Broken(f"is {name} (it says {said!r})", "foreign")


@contextmanager
def _hardships(silence: str = "silence") -> Iterator[None]:
    """Everything sockets and librouteros can throw at us, as `Trap` or `Broken`. `silence` is what running out of time means."""
    try:
        yield
    except TrapError as error:
        raise Trap(str(error.message)) from error
    except MultiTrapError as error:
        raise Trap("; ".join(str(trap.message) for trap in error.traps)) from error
    except LibRouterosError as error:
        raise Broken(f"spoke nonsense or hung up: {harmless(str(error))}") from error
    except TimeoutError as error:
        raise Broken("did not answer in time", silence) from error
    except socket.gaierror as error:
        raise Broken("has a name that nobody knows", "name") from error
    except ConnectionRefusedError as error:
        raise Broken(harmless(error.strerror or str(error)), "closed") from error
    except ssl.SSLError as error:
        raise Broken(f"refuses TLS: {harmless(str(error.reason or error))}", "tls") from error
    except (ConnectionResetError, BrokenPipeError) as error:  # the same, when we were still talking
        said = harmless(error.strerror or str(error))
        raise (Broken(said, "tls") if silence == "tls" else Broken("hung up")) from error
    except OSError as error:
        if silence == "unreachable":
            raise Broken(harmless(error.strerror or str(error)), "unreachable") from error
        raise Broken(harmless(error.strerror or str(error))) from error
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise Broken("spoke nonsense") from error  # a reply librouteros could not take apart
