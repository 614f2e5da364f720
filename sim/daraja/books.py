"""What really happened to money at the pretend Safaricom, for tests to compare with our own books."""

from __future__ import annotations

import secrets
import string
import threading
from dataclasses import dataclass
from datetime import datetime

from sim.daraja.accounts import Business

RECEIPT_LETTERS = string.ascii_uppercase + string.digits
RECEIPT_LENGTH = 10


@dataclass(frozen=True)
class Payment:
    """Money that moved from a person to a business."""

    receipt: str
    msisdn: str
    short_code: str
    account: str
    amount_minor: int
    at: datetime
    by_hand: bool


class Books:
    """All payments, in the order they were made. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payments: dict[str, Payment] = {}
        self._given_out: set[str] = set()

    def new_receipt(self) -> str:
        """Ten upper-case letters and digits, never the same twice; the first is a letter."""
        with self._lock:
            while True:
                first = secrets.choice(string.ascii_uppercase)
                receipt = first + "".join(secrets.choice(RECEIPT_LETTERS) for _ in range(RECEIPT_LENGTH - 1))
                if receipt not in self._given_out:
                    self._given_out.add(receipt)
                    return receipt

    def enter(self, business: Business, payment: Payment) -> None:
        """Note a payment and raise the balance of the business."""
        with self._lock:
            self._payments[payment.receipt] = payment
            business.balance_minor += payment.amount_minor

    def payments(self) -> list[Payment]:
        """Every payment, oldest first."""
        with self._lock:
            return list(self._payments.values())
