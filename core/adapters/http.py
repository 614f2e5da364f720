"""How we call companies over HTTP: bounded in time and size, and honest about what we do not know.

A call ends as an `Answer` (whatever its status: what a status means is the adapter's business) or as one of two failures.
`GatewayDown`: the other side cannot have acted. `OutcomeUnknown`: it may have. The line between them is the body of the
request: as long as not one byte of it was handed to the connection, the request was incomplete and nobody could act on it.
That also settles the kept connection which the other side has just closed. Nothing is ever sent twice here.

Neither log lines nor exceptions contain query strings, headers or bodies.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import structlog
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import HTTPError, ReadTimeoutError

from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown

ANSWER_BYTES_MAX = 256 * 1024
CHUNK_BYTES = 16 * 1024

_BADLY_SET_UP = (InvalidHeader, InvalidURL, InvalidSchema, MissingSchema, UnicodeError)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """`read` is between two pieces of an answer, `total` for the whole call. A job has to live longer than both together.

    A kept connection is not used again when it has been idle for `kept_seconds`: common servers hang up on idle callers
    after 5 s or more, and a request that crosses with their goodbye would be one whose fate we do not know.
    """

    connect_seconds: float = 3.05
    read_seconds: float = 10.0
    total_seconds: float = 14.0
    kept_seconds: float = 4.0


class NotJson(ValueError):
    """The bytes are not JSON that we accept."""


def read_json(body: bytes | str) -> object:
    """JSON from outside: UTF-8, no key twice in one object, no NaN, no bottomless nesting. Raises only `NotJson`.

    **Every number stays the text it was**, so that no amount ever passes through binary floating point and no
    number is too big to hold.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")
        return json.loads(
            text, parse_float=str, parse_int=str, parse_constant=_no_constant, object_pairs_hook=_no_key_twice
        )
    except (ValueError, RecursionError):
        failure = NotJson("not JSON that we accept")
    raise failure  # out here: the library's exception carries the whole body with it


def _no_constant(word: str) -> object:
    raise ValueError(word)


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def text_of(fields: Mapping[str, object], name: str) -> str:
    """A text, or a number as text, from what `read_json` gave; nothing for whatever else."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the company said, unjudged."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def looks_like_html(self) -> bool:
        """A web server's own page: some machine in between answered, not the company's program."""
        return self.body.lstrip()[:1] == b"<"

    def json_object(self) -> dict[str, object]:
        """The object in the body, numbers as text; an empty one when there is none."""
        try:
            found = read_json(self.body)
        except NotJson:
            return {}
        return found if isinstance(found, dict) else {}


class _Body(io.BytesIO):
    """A request's body that remembers whether the connection has begun to take it."""

    taken = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.taken = True
        return super().read(size)


class _Broken(Exception):
    """The answer went beyond a limit of ours."""


class Http:
    """Calls to one company at one base address. Safe to share between threads; survives a fork."""

    def __init__(self, base_url: str, timeouts: Timeouts | None = None) -> None:
        self._base_url, self.host = base_url.rstrip("/"), _host(base_url)
        self._timeouts = timeouts or Timeouts()
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._session_process, self._used_at = 0, 0.0

    def get(
        self, path: str, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Fetch. Asking changes nothing over there, so every failure is `GatewayDown`."""
        return self._call(
            requests.Request("GET", self._base_url + path, params=query, headers=headers), path, None, idempotent=True
        )

    def post_json(
        self, path: str, value: Mapping[str, object], *, headers: Mapping[str, str] | None = None, idempotent: bool
    ) -> Answer:
        """Post JSON. Say `idempotent=True` only where repeating does no harm: silence is then `GatewayDown`."""
        body = _Body(json.dumps(value).encode())
        sent_headers = {**(headers or {}), "Content-Type": "application/json"}
        request = requests.Request("POST", self._base_url + path, data=body, headers=sent_headers)
        return self._call(request, path, body, idempotent=idempotent)

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _call(self, request: requests.Request, path: str, body: _Body | None, *, idempotent: bool) -> Answer:
        started = time.monotonic()
        answer: Answer | None = None
        failure: GatewayFailure | None = None
        try:
            answer = self._exchange(request, started + self._timeouts.total_seconds)
        except _BADLY_SET_UP as error:
            failure = GatewayRefused(
                f"{self.host}: a key or address cannot be sent ({type(error).__name__})", code="configuration"
            )
        except (requests.RequestException, HTTPError, OSError, _Broken) as error:
            failure = self._judge(error, acted=body is not None and body.taken and not idempotent)
        log.info(
            "gateway_call",
            host=self.host,
            path=path.partition("?")[0],
            status=answer.status if answer else None,
            failure=type(failure).__name__ if failure else None,
            milliseconds=round((time.monotonic() - started) * 1000),
        )
        self._used_at = time.monotonic()
        if answer is not None:
            return answer
        # Raised out here, not in the handler: the library's exceptions quote addresses and headers.
        assert failure is not None
        raise failure

    def _judge(self, error: Exception, *, acted: bool) -> GatewayFailure:
        if isinstance(error, _Broken):
            words = str(error)
        elif isinstance(error, requests.Timeout | ReadTimeoutError):
            words = "did not answer in time"
        else:
            words = f"cannot be reached or hung up ({type(error).__name__})"
        return OutcomeUnknown(f"{self.host} {words}") if acted else GatewayDown(f"{self.host} {words}")

    def _exchange(self, request: requests.Request, give_up_at: float) -> Answer:
        session = self._open_session()
        timeouts = (self._timeouts.connect_seconds, self._timeouts.read_seconds)
        response = session.send(
            session.prepare_request(request), stream=True, timeout=timeouts, allow_redirects=False, verify=True
        )
        with closing(response):
            body = bytearray()
            while piece := response.raw.read1(CHUNK_BYTES, decode_content=True):
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise _Broken("answered absurdly much")
                if time.monotonic() > give_up_at:
                    raise _Broken("did not finish its answer in time")
            return Answer(response.status_code, bytes(body))

    def _open_session(self) -> requests.Session:
        """The session with its kept connection, or a new one: after a pause, or in a forked child."""
        with self._lock:
            fresh = (
                self._session_process == os.getpid() and time.monotonic() - self._used_at < self._timeouts.kept_seconds
            )
            if self._session is None or not fresh:
                if self._session is not None:
                    self._session.close()
                self._session, self._session_process = _new_session(), os.getpid()
            return self._session


def _host(base_url: str) -> str:
    """Host and port of a plain address: no user, no query, nothing that could be a secret."""
    failure = GatewayRefused("the address of the gateway is not a plain http(s) address", code="configuration")
    try:
        parts = urlsplit(base_url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise failure from None
    if not good or parts.username is not None or parts.query or parts.fragment:
        raise failure
    return parts.netloc


def _new_session() -> requests.Session:
    """No proxies, passwords or certificates from the environment, no cookies, no retries, one kept connection."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "duka"})
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0))
    return session
