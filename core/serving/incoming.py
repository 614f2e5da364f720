"""The bytes of one connection → whole requests. Nothing here waits: whoever sends slowly keeps only its own place.

gunicorn's parser reads every head and decides how long the body is, so there is one opinion on where a request ends.
"""

from __future__ import annotations

import re
from typing import Any

from gunicorn.http import errors
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 1024 * 1024
"""Far above what any door accepts; the doors have limits of their own below it."""
LINE_BYTES_MAX = 1024
"""A line between chunks: a length, or a trailer."""
TRAILERS_MAX = 32
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_HEAD_END, _LINE_END = b"\r\n\r\n", b"\r\n"
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (errors.LimitRequestLine, 414), (errors.LimitRequestHeaders, 431), (errors.UnsupportedTransferCoding, 501),
    (errors.ExpectationFailed, 417),
)  # fmt: skip


class Refused(Exception):
    """This is not a request, or one that is too large. `status` is what to answer; the words never quote what was sent."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Incoming:
    """What has come from one caller and is not answered yet."""

    def __init__(self, cfg: Any, address: Any) -> None:
        self._cfg, self._address = cfg, address
        self._bytes = bytearray()
        self._searched = 0
        self._head: Request | None = None
        self._body = bytearray()
        self._trailers: int | None = None

    @property
    def empty(self) -> bool:
        """Between two requests: nothing of the next one has come."""
        return self._head is None and not self._bytes

    @property
    def expects_go_ahead(self) -> bool:
        """The caller waits for `100 Continue` before it sends the body. True once per request."""
        if self._head is None or not self._head._expected_100_continue:
            return False
        self._head._expected_100_continue = False
        return True

    def feed(self, piece: bytes) -> None:
        """More has come."""
        self._bytes += piece

    def whole(self) -> Request | None:
        """The next request if all of it is here, its body in memory. Raises `Refused`: then nothing more can be understood."""
        if self._head is None:
            self._head = self._read_head()
            if self._head is None:
                return None
        body = self._read_body(self._head.body.reader)
        if body is None:
            return None
        request, self._head = self._head, None
        request.body = Body(LengthReader(IterUnreader([body]), len(body)))
        request._expected_100_continue = False
        return request

    def _read_head(self) -> Request | None:
        end = self._bytes.find(_HEAD_END, self._searched)
        if end > HEAD_BYTES_MAX or (end < 0 and len(self._bytes) > HEAD_BYTES_MAX):
            raise Refused(431, f"the head is longer than {HEAD_BYTES_MAX} bytes")
        if end < 0:
            self._searched = max(len(self._bytes) - len(_HEAD_END) + 1, 0)
            return None
        head = self._take(end + len(_HEAD_END))
        self._searched, self._trailers = 0, None
        self._body.clear()
        try:
            return Request(self._cfg, IterUnreader([head]), self._address)
        except (errors.ParseException, errors.ConfigurationProblem, OSError, StopIteration) as error:
            status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 400)
            raise Refused(status, f"the head cannot be read: {type(error).__name__}") from None

    def _read_body(self, reader: Any) -> bytes | None:
        if isinstance(reader, ChunkedReader):
            return self._read_chunks()
        length: int = reader.length if isinstance(reader, LengthReader) else 0
        if length > BODY_BYTES_MAX:
            raise Refused(413, f"the body is longer than {BODY_BYTES_MAX} bytes")
        return self._take(length) if len(self._bytes) >= length else None

    def _read_chunks(self) -> bytes | None:
        """RFC 9112 section 7.1. Trailers are passed over."""
        while (end := self._bytes.find(_LINE_END, 0, LINE_BYTES_MAX)) >= 0:
            line = bytes(self._bytes[:end])
            if self._trailers is not None:
                self._take(end + len(_LINE_END))
                if not line:
                    return bytes(self._body)
                self._trailers += 1
                if self._trailers > TRAILERS_MAX:
                    raise Refused(431, f"more than {TRAILERS_MAX} trailers")
                continue
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise Refused(400, "a chunk has no length")
            size, start = int(match[1], 16), end + len(_LINE_END)
            if len(self._body) + size > BODY_BYTES_MAX:
                raise Refused(413, f"the body is longer than {BODY_BYTES_MAX} bytes")
            if size == 0:
                self._take(start)
                self._trailers = 0
                continue
            if len(self._bytes) < start + size + len(_LINE_END):
                return None
            chunk = self._take(start + size + len(_LINE_END))
            if not chunk.endswith(_LINE_END):
                raise Refused(400, "a chunk is longer than it said")
            self._body += chunk[start : -len(_LINE_END)]
        if len(self._bytes) >= LINE_BYTES_MAX:
            raise Refused(400, "a line between chunks does not end")
        return None

    def _take(self, count: int) -> bytes:
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken
