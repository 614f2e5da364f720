"""The small web server that every pretend company stands on, with the troubles real ones have."""

from __future__ import annotations

import ipaddress
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BODY_BYTES_MAX = 1024 * 1024
FIELDS_MAX = 1000
IDLE_SECONDS_MAX = 75
SILENCE_SECONDS_MAX = 120
SEEN_MAX = 20_000

JSON_TYPE = "application/json"
HTML_ERROR = (
    b"<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"
)


class BadBody(ValueError):
    """The body is not what its caller says it is."""


@dataclass(frozen=True)
class Request:
    """One call that reached the stand-in. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """The fields of a form post, the last value of each; `BadBody` when there are absurdly many."""
        return _fields(self.body.decode("utf-8", errors="replace"))

    def json_object(self) -> dict[str, object]:
        """The JSON object in the body; `BadBody` for anything else, however deep or odd."""
        try:
            found = json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BadBody("not JSON") from error
        if not isinstance(found, dict):
            raise BadBody("not a JSON object")
        return found


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _fields(text: str) -> dict[str, str]:
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise BadBody("not a form") from error
    return {name: values[-1] for name, values in found.items()}


@dataclass(frozen=True)
class Reply:
    """What the caller gets. `after` runs once the bytes are out, or once it is certain that they never will be."""

    status: int
    body: bytes
    content_type: str
    after: Callable[[], None] | None = None


def json_reply(status: int, value: object, after: Callable[[], None] | None = None) -> Reply:
    """JSON with the exact content type, without a charset: clients compare the whole header."""
    return Reply(status, json.dumps(value).encode(), JSON_TYPE, after)


def text_reply(status: int, text: str) -> Reply:
    """A plain sentence."""
    return Reply(status, text.encode(), "text/plain")


Route = Callable[[Request], Reply]


@dataclass
class Fault:
    """Trouble for the next `times` calls whose path starts with `path`. No reply means silence."""

    reply: Reply | None
    times: int
    path: str
    after_acting: bool


@dataclass
class Server:
    """A threaded HTTP/1.1 server on loopback around one route function."""

    route: Route
    seen: deque[Request] = field(default_factory=lambda: deque(maxlen=SEEN_MAX))
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._delay_seconds = 0.0
        self._speak = threading.Event()
        self._in_flight: set[int] = set()
        self._quiet = threading.Condition()
        self._listener: _Listener | None = None
        self._placeholder: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.address = ("", 0)

    def start(self, host: str, port: int) -> None:
        """Listen; port 0 lets the system choose. Only loopback addresses are accepted."""
        if not is_loopback(host):
            raise ValueError(f"a pretend company listens on loopback only, not on {host}")
        listener = _Listener((host, port), _Handler)
        self.address = (host, listener.server_address[1])
        self._serve(listener)

    def stop(self) -> None:
        """Close the door and every open connection. Stopping twice is fine."""
        self._shut()
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None

    def go_down(self) -> None:
        """Refuse connections, keeping the port number for the way back."""
        if self._listener is None:
            return
        self._shut()
        self._placeholder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind(self.address)

    def come_up(self) -> None:
        """Listen again on the same port."""
        if self._placeholder is None:
            return
        listener = _Listener(self.address, _Handler, bind_and_activate=False)
        listener.socket.close()
        listener.socket, self._placeholder = self._placeholder, None
        listener.server_activate()
        self._serve(listener)

    def add_fault(self, fault: Fault) -> None:
        """Queue trouble; the oldest matching one is met first."""
        with self._lock:
            self._speak.clear()
            self._faults.append(fault)

    def recover(self) -> None:
        """Forget all troubles, hang up on callers left in silence, and be quick again."""
        with self._lock:
            self._faults.clear()
            self._delay_seconds = 0.0
        self._speak.set()

    def slow(self, seconds: float) -> None:
        """Let every caller wait so long for the answer from now on; 0 ends it."""
        with self._lock:
            self._delay_seconds = seconds
            self._speak.clear()

    def respond(self, request: Request) -> Reply | None:
        """The answer to one call, or None when there will be none."""
        self.seen.append(request)
        with self._lock:
            delay_seconds = self._delay_seconds
            fault = next((f for f in self._faults if request.path.startswith(f.path)), None)
            if fault is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
        if delay_seconds:
            self._speak.wait(delay_seconds)
        if fault is None:
            return self.route(request)
        after = self.route(request).after if fault.after_acting else None
        if fault.reply is None:
            if after is not None:
                after()
            return None
        return replace(fault.reply, after=after)

    def begin(self) -> None:
        """A call is being read by the current thread."""
        with self._quiet:
            self._in_flight.add(threading.get_ident())

    def finish(self) -> None:
        """The call of the current thread is answered, and everything that follows from it is under way."""
        with self._quiet:
            self._in_flight.discard(threading.get_ident())
            self._quiet.notify_all()

    def wait_until_quiet(self, timeout_seconds: float) -> bool:
        """True once no call (but one that asks this itself) is being handled."""
        own = {threading.get_ident()}
        with self._quiet:
            return self._quiet.wait_for(lambda: self._in_flight <= own, timeout_seconds)

    def keep_waiting(self, connection: socket.socket) -> None:
        """Say nothing until the caller gives up, the trouble is over or nobody could still be listening."""
        gives_up_at = time.monotonic() + SILENCE_SECONDS_MAX
        connection.settimeout(0.1)
        while not self._speak.is_set() and time.monotonic() < gives_up_at:
            try:
                if not connection.recv(4096):
                    return
            except TimeoutError:
                continue

    def _serve(self, listener: _Listener) -> None:
        listener.owner = self
        self._speak.clear()
        self._listener = listener
        self._thread = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _shut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None or self._thread is None:
            return
        listener.shutdown()
        self._thread.join()
        self._speak.set()
        listener.server_close()
        listener.hang_up()


class _Listener(ThreadingHTTPServer):
    """Remembers its open connections: a company that is down does not go on talking over old ones."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    owner: Server

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], bind_and_activate: bool = True
    ) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, handler, bind_and_activate)

    def server_bind(self) -> None:
        """Bind without the reverse name look-up of the base class."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept one connection and remember it."""
        connection, address = super().get_request()
        with self._connections_lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Forget and close one connection."""
        if isinstance(request, socket.socket):
            with self._connections_lock:
                self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Cut all connections at once."""
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was faster

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that vanished is ordinary; anything else is a fault of the stand-in and is kept and shown."""
        error = sys.exception()
        if error is None or isinstance(error, OSError):
            return
        self.owner.failures.append(error)
        sys.excepthook(type(error), error, error.__traceback__)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS_MAX
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Listener

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet; `Server.seen` remembers every call."""

    def do_POST(self) -> None:
        """Serve one call of whatever method."""
        body = self._read_body()
        if body is None:
            return
        try:
            parts = urlsplit(self.path)
            query = _fields(parts.query)
        except ValueError:
            self._write(text_reply(400, "Bad request line"), close=True)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not self._answer(Request(self.command, parts.path, query, headers, body)):
            self.server.owner.keep_waiting(self.connection)
            self.close_connection = True

    def do_GET(self) -> None:
        """As POST: the route looks at the method."""
        self.do_POST()

    def do_PUT(self) -> None:
        """As POST: the route looks at the method."""
        self.do_POST()

    def do_DELETE(self) -> None:
        """As POST: the route looks at the method."""
        self.do_POST()

    def _answer(self, request: Request) -> bool:
        """Answer one call; False when it is to be met with silence."""
        owner = self.server.owner
        owner.begin()
        try:
            reply = owner.respond(request)
            if reply is None:
                return False
            try:
                self._write(reply)
            finally:
                if reply.after is not None:
                    reply.after()
            return True
        finally:
            owner.finish()

    def _read_body(self) -> bytes | None:
        if "Transfer-Encoding" in self.headers:
            self._write(text_reply(411, "Length required"), close=True)
            return None
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            self._write(text_reply(400, "Bad length"), close=True)
            return None
        if len(length) > 9 or int(length) > BODY_BYTES_MAX:
            self._write(text_reply(413, "Body too large"), close=True)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _write(self, reply: Reply, close: bool = False) -> None:
        self.send_response_only(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()
        if close:
            self.close_connection = True


def is_loopback(host: str) -> bool:
    """Whether this name or address can only mean the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
