"""The air between Africa's Talking and the phones: inboxes, phones that are off, people who opted out."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime

DEFAULT_NETWORK_CODE = "63902"


class NoSms(LookupError):
    """The message that was waited for did not come."""


@dataclass(frozen=True)
class Sms:
    """One message in a phone's inbox."""

    text: str
    sender: str
    parts: int
    message_id: str
    at: datetime


@dataclass(frozen=True)
class Trouble:
    """Why messages to a number do not arrive: the final word of the delivery report and its reason."""

    status: str
    reason: str


class Network:
    """Phones as the SMS side sees them. Safe to use from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inboxes: dict[str, list[Sms]] = {}
        self._opted_out: set[tuple[str, str]] = set()
        self._troubles: dict[str, Trouble] = {}
        self._network_codes: dict[str, str] = {}
        self._by_hash: dict[str, str] = {}
        self._links: set[tuple[str, str]] = set()

    def know(self, msisdn: str, network_code: str | None = None) -> None:
        """Learn that a number exists, and on which network."""
        with self._changed:
            self._by_hash.setdefault(hashlib.sha256(msisdn.lstrip("+").encode()).hexdigest(), msisdn)
            if network_code is not None:
                self._network_codes[msisdn] = network_code

    def network_code(self, msisdn: str) -> str:
        """The operator's number; Safaricom unless somebody said otherwise."""
        with self._changed:
            return self._network_codes.get(msisdn, DEFAULT_NETWORK_CODE)

    def find_by_hash(self, masked: str) -> str | None:
        """The number behind a SHA-256 that a payment company gave out, if the town knows it."""
        with self._changed:
            return self._by_hash.get(masked.lower())

    def link(self, msisdn: str, link_id: str) -> None:
        """A person's premium message opened this link; answers may refer to it."""
        with self._changed:
            self._links.add((msisdn, link_id))

    def deliver(self, msisdn: str, sms: Sms, link_id: str = "") -> Trouble | None:
        """Put a message into the inbox, or tell why not. An answer to a link must name one this person opened."""
        with self._changed:
            trouble = self._troubles.get(msisdn)
            if link_id and (msisdn, link_id) not in self._links:
                trouble = Trouble("Failed", "InvalidLinkId")
            if trouble is None:
                self._inboxes.setdefault(msisdn, []).append(sms)
                self._changed.notify_all()
            return trouble

    def inbox(self, msisdn: str) -> list[Sms]:
        """All messages of a phone, oldest first."""
        with self._changed:
            return list(self._inboxes.get(msisdn, ()))

    def wait_for_sms(self, msisdn: str, contains: str, timeout_seconds: float) -> Sms:
        """The newest message with these words in it; waits for one if need be, `NoSms` if none comes."""
        found: list[Sms] = []

        def arrived() -> bool:
            found[:] = [sms for sms in self._inboxes.get(msisdn, ()) if contains in sms.text]
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(arrived, timeout_seconds):
                raise NoSms(f"no SMS with {contains!r} within {timeout_seconds} s")
        return found[-1]

    def fail_delivery(self, msisdn: str, trouble: Trouble | None) -> None:
        """Let messages to a number get lost from now on; None heals it."""
        with self._changed:
            if trouble is None:
                self._troubles.pop(msisdn, None)
            else:
                self._troubles[msisdn] = trouble

    def opt_out(self, msisdn: str, sender: str) -> None:
        """The person blocks one sender."""
        with self._changed:
            self._opted_out.add((msisdn, sender.upper()))

    def opt_in(self, msisdn: str, sender: str) -> None:
        """The person unblocks one sender."""
        with self._changed:
            self._opted_out.discard((msisdn, sender.upper()))

    def has_opted_out(self, msisdn: str, sender: str) -> bool:
        """Whether the person blocked this sender."""
        with self._changed:
            return (msisdn, sender.upper()) in self._opted_out
