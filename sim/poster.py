"""How pretend companies call our service: plain posts over kept connections, never beyond this machine."""

from __future__ import annotations

import http.client
import json
import select
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlencode, urlsplit

from sim.http import is_loopback

ANSWER_BYTES_MAX = 256 * 1024
IDLE_CONNECTIONS_MAX = 64
FORM_TYPE = "application/x-www-form-urlencoded"

Connections = dict[tuple[str, int], list[http.client.HTTPConnection]]


@dataclass(frozen=True)
class Answer:
    """What our service said. No status means that it said nothing usable; `error` then tells why."""

    status: int | None
    body: bytes = b""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the status is one of the 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def timed_out(self) -> bool:
        """Whether our service took too long."""
        return self.error == TOO_SLOW

    def json_object(self) -> dict[str, object] | None:
        """The JSON object in the body; None for anything else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


TOO_SLOW = "the service did not answer in time"
ELSEWHERE = "the address is not on this machine"
UNREACHABLE = "the service cannot be reached"


class Poster:
    """Posts and waits for the answer. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: Connections = {}
        self._ways: list[tuple[str, str]] = []

    def reach(self, public: str, loopback: str) -> None:
        """Send what is meant for `public` (the start of an address) to `loopback`."""
        with self._lock:
            self._ways.insert(0, (public, loopback))

    def post_form(
        self, url: str, fields: Mapping[str, str], *, timeout_seconds: float, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Post a form."""
        return self._post(url, urlencode(fields).encode(), FORM_TYPE, timeout_seconds, headers or {})

    def post_json(self, url: str, value: object, *, timeout_seconds: float) -> Answer:
        """Post JSON."""
        return self._post(url, json.dumps(value).encode(), "application/json", timeout_seconds, {})

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _post(
        self, url: str, body: bytes, content_type: str, timeout_seconds: float, headers: Mapping[str, str]
    ) -> Answer:
        parts = self._locate(url)
        if parts is None:
            return Answer(None, error=ELSEWHERE)
        where = (parts.hostname or "", parts.port or 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent_headers = {"Content-Type": content_type, "Connection": "keep-alive", **headers}
        started = time.monotonic()
        try:
            connection = self._take(where, timeout_seconds)
            answer = _exchange(connection, path, body, sent_headers)
        except TimeoutError:
            return Answer(None, error=TOO_SLOW)
        except (OSError, http.client.HTTPException, zlib.error) as error:
            return Answer(None, error=f"{UNREACHABLE}: {type(error).__name__}")
        self._keep(where, connection)
        if time.monotonic() - started > timeout_seconds:
            return Answer(None, error=TOO_SLOW)
        return answer

    def _locate(self, url: str) -> SplitResult | None:
        with self._lock:
            for public, loopback in self._ways:
                if url.startswith(public):
                    url = loopback + url[len(public) :]
                    break
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return None
        if parts.scheme != "http" or port == 0 or not is_loopback(parts.hostname or ""):
            return None
        return parts

    def _take(self, where: tuple[str, int], timeout_seconds: float) -> http.client.HTTPConnection:
        """A kept connection that is still good, or a new one."""
        while True:
            with self._lock:
                kept = self._idle.get(where)
                connection = kept.pop() if kept else None
            if connection is None:
                return http.client.HTTPConnection(*where, timeout=timeout_seconds)
            if connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]:
                connection.sock.settimeout(timeout_seconds)
                return connection
            connection.close()  # readable while idle: the other side has hung up

    def _keep(self, where: tuple[str, int], connection: http.client.HTTPConnection) -> None:
        with self._lock:
            kept = self._idle.setdefault(where, [])
            if connection.sock is not None and len(kept) < IDLE_CONNECTIONS_MAX:
                kept.append(connection)
                return
        connection.close()


def _exchange(connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """One post and its answer; the connection is closed unless it can be used again."""
    usable = False
    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        content = response.read(ANSWER_BYTES_MAX + 1)
        usable = not response.will_close and response.isclosed()
        if len(content) > ANSWER_BYTES_MAX:
            return Answer(response.status, error="the answer is absurdly long")
        if response.headers.get("Content-Encoding", "").lower() == "gzip":
            content = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, ANSWER_BYTES_MAX)
        return Answer(response.status, content)
    finally:
        if not usable:
            connection.close()
