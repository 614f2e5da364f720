"""USSD sessions as the pretend Africa's Talking runs them: one number dialling, one screen at a time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sim.africastalking import gsm
from sim.africastalking.accounts import ServiceCode
from sim.background import Background
from sim.poster import Answer, Poster

ANSWER_SECONDS = 15.0
SESSION_SECONDS = 180
SEPTETS_MAX = 182
NOTICE_SECONDS = 15.0
TROUBLE_SCREEN = "Connection problem or invalid MMI code."
HEADERS = {"User-Agent": "at-ussd-api/1.0", "Accept-Encoding": "gzip"}


class SessionOver(RuntimeError):
    """The phone shows no menu any more, so there is nothing to answer."""


class Status(StrEnum):
    """How a session ended, in Africa's Talking's words."""

    SUCCESS = "Success"
    INCOMPLETE = "Incomplete"
    FAILED = "Failed"


class Repeat(StrEnum):
    """How a hop is posted more than once: after the answer to the first was lost, or all at the same moment."""

    AFTER = "after"
    AT_ONCE = "at once"


@dataclass(frozen=True)
class Hop:
    """One step: what the service was told was typed so far, everything it answered, and the seconds it took."""

    text: str
    answers: tuple[Answer, ...]
    seconds: float


def misfit(text: str) -> str | None:
    """Why a phone cannot show this screen, or None when it can (reference africastalking.md §2.1)."""
    weight = gsm.septets(text)
    if weight is None:
        strange = sorted({letter for letter in text if gsm.septets(letter) is None})
        return f"characters outside the GSM alphabet: {strange!r}"
    return f"{weight} septets, {SEPTETS_MAX} fit" if weight > SEPTETS_MAX else None


@dataclass
class UssdSession:
    """One dialled session, seen from the phone: read `screen`, then `answer`."""

    switch: Switch
    service: ServiceCode | None
    msisdn: str
    service_code: str
    network_code: str
    typed: list[str]
    started_at: datetime
    session_id: str = field(default_factory=lambda: f"ATUid_{uuid.uuid4().hex}")
    screen: str = ""
    open: bool = True
    status: Status | None = None
    error: str = ""
    hops: list[Hop] = field(default_factory=list)

    def answer(self, text: str) -> str:
        """Type something and press Send; returns the new screen. `SessionOver` when there is no menu."""
        if self.open and self.switch.now() - self.started_at > timedelta(seconds=SESSION_SECONDS):
            self.finish(Status.INCOMPLETE, "The session timed out")
        if not self.open:
            raise SessionOver(f"the session is over: {self.status} {self.error}")
        self.typed.append(text)
        return self.switch.step(self)

    def hang_up(self) -> None:
        """Press the red button. Harmless when the session is already over."""
        if self.open:
            self.finish(Status.INCOMPLETE, "")

    def finish(self, status: Status, error: str) -> None:
        """End the session and let the service know."""
        self.open, self.status, self.error = False, status, error
        if status is not Status.SUCCESS:
            self.screen = TROUBLE_SCREEN if status is Status.FAILED else ""
        self.switch.ended(self)


class Switch:
    """Connects dialled codes to services."""

    def __init__(self, poster: Poster, background: Background, now: Callable[[], datetime]) -> None:
        self.now = now
        self.answer_seconds = ANSWER_SECONDS
        self._poster = poster
        self._background = background
        self._lock = threading.Lock()
        self._codes: dict[str, ServiceCode] = {}
        self._open: dict[str, UssdSession] = {}
        self._repeats: list[tuple[int, Repeat]] = []
        self._ended_count = 0

    def add(self, service: ServiceCode) -> None:
        """Connect a code; `*384*35711#` with the star in front and the hash behind."""
        if not (service.code.startswith("*") and service.code.endswith("#")):
            raise ValueError("a service code starts with * and ends with #")
        with self._lock:
            self._codes[service.code] = service

    def repeat_next(self, copies: int, how: Repeat) -> None:
        """Post the next hop so many times in all."""
        with self._lock:
            self._repeats.append((copies, how))

    def in_session(self, msisdn: str) -> bool:
        """Whether this number is in the middle of a menu."""
        with self._lock:
            session = self._open.get(msisdn)
        return session is not None and self.now() - session.started_at <= timedelta(seconds=SESSION_SECONDS)

    def dial(self, msisdn: str, code: str, network_code: str) -> UssdSession:
        """Dial; a menu that is still open on this phone is left. An unknown code ends as `Failed` at once."""
        service, extra = self._find(code)
        with self._lock:
            old = self._open.get(msisdn)
        if old is not None:
            old.hang_up()
        shown_code = service.code if service else code
        session = UssdSession(self, service, msisdn, shown_code, network_code, extra, self.now())
        with self._lock:
            self._open[msisdn] = session
        if service is None:
            session.finish(Status.FAILED, "Unknown service code")
        else:
            self.step(session)
        return session

    def step(self, session: UssdSession) -> str:
        """Post one hop and put the answer on the screen."""
        if session.service is None:
            raise SessionOver("nobody answers this code")
        text = "*".join(session.typed)
        fields = {
            "sessionId": session.session_id,
            "phoneNumber": session.msisdn,
            "networkCode": session.network_code,
            "serviceCode": session.service_code,
            "text": text,
        }
        started = time.monotonic()
        answers = self._post(session.service.ussd_url, fields)
        session.hops.append(Hop(text, tuple(answers), time.monotonic() - started))
        self._show(session, answers[-1])
        return session.screen

    def ended(self, session: UssdSession) -> None:
        """Forget an open session and tell the service (reference africastalking.md §2.3)."""
        with self._lock:
            if self._open.get(session.msisdn) is session:
                del self._open[session.msisdn]
            self._ended_count += 1
            fields = ended_fields(session, self.now(), spelled_out=self._ended_count % 2 == 1)
        url = session.service.ended_url if session.service else None
        if url is not None:
            self._background.soon(lambda: self._notify(url, fields))

    def _notify(self, url: str, fields: dict[str, str]) -> None:
        self._poster.post_form(url, fields, timeout_seconds=NOTICE_SECONDS, headers=HEADERS)

    def _find(self, code: str) -> tuple[ServiceCode | None, list[str]]:
        """The service behind a dialled code, longest match first, and the digits dialled beyond it."""
        with self._lock:
            services = sorted(self._codes.values(), key=lambda service: -len(service.code))
        for service in services:
            if code == service.code:
                return service, []
            stem = service.code[:-1] + "*"
            if code.startswith(stem) and code.endswith("#"):
                return service, code[len(stem) : -1].split("*")
        return None, []

    def _post(self, url: str, fields: dict[str, str]) -> list[Answer]:
        with self._lock:
            copies, how = self._repeats.pop(0) if self._repeats else (1, Repeat.AFTER)

        def post(_copy: int) -> Answer:
            return self._poster.post_form(url, fields, timeout_seconds=self.answer_seconds, headers=HEADERS)

        if copies == 1 or how is Repeat.AFTER:
            return [post(copy) for copy in range(copies)]
        with ThreadPoolExecutor(copies) as pool:
            return list(pool.map(post, range(copies)))

    def _show(self, session: UssdSession, answer: Answer) -> None:
        if answer.timed_out:
            session.finish(Status.INCOMPLETE, f"Application did not answer within {self.answer_seconds:g} s")
            return
        if answer.status != 200:
            session.finish(Status.FAILED, answer.error or f"Application answered HTTP {answer.status}")
            return
        try:
            body = answer.body.decode("utf-8")
        except UnicodeDecodeError:
            session.finish(Status.FAILED, "Invalid response from application: not text")
            return
        keyword, text = body[:4], body[4:]
        if keyword not in ("CON ", "END "):
            session.finish(Status.FAILED, "Invalid response from application: neither CON nor END")
            return
        problem = misfit(text)
        if problem is not None:
            session.finish(Status.FAILED, f"Invalid response from application: {problem}")
            return
        session.screen = text
        if keyword == "END ":
            session.finish(Status.SUCCESS, "")


def ended_fields(session: UssdSession, now: datetime, *, spelled_out: bool) -> dict[str, str]:
    """The end notification. Its two known spellings of money, counts and empty fields take turns."""
    duration_ms = max(0, round((now - session.started_at).total_seconds() * 1000))
    typed = "*".join(session.typed)
    last = session.hops[-1].answers[-1].body.decode("utf-8", errors="replace") if session.hops else ""
    fields = {
        "date": now.strftime("%Y-%m-%d %H:%M:%S"),
        "sessionId": session.session_id,
        "serviceCode": session.service_code,
        "networkCode": session.network_code,
        "phoneNumber": session.msisdn,
        "status": str(session.status),
        "cost": "KES 0.50" if spelled_out else "0.5",
        "durationInMillis": str(duration_ms) if spelled_out else f"{duration_ms}.0",
        "hopsCount": str(len(session.hops)) if spelled_out else f"{len(session.hops)}.0",
        "lastAppResponse": last,
        "errorMessage": session.error,
    }
    if typed or spelled_out:
        fields["input"] = typed
    return fields
