"""What Daraja checks before it does anything, and the words in which it refuses."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from sim.http import Reply, is_loopback, json_reply

EAST_AFRICA = timezone(timedelta(hours=3), "EAT")
TIMESTAMP_TOLERANCE = timedelta(minutes=10)
AMOUNT_MAX = 250_000
REFERENCE_MAX = 12
DESCRIPTION_MAX = 13
BILL_REFERENCE_MAX = 20
URL_MAX = 2000
FORBIDDEN_WORDS = ("m-pesa", "mpesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
TUNNELS = ("ngrok", "localtunnel", "trycloudflare", "mockbin", "requestbin")
TRANSACTION_TYPES = ("CustomerPayBillOnline", "CustomerBuyGoodsOnline")
RESPONSE_TYPES = ("Completed", "Cancelled")

BAD_FIELD = "400.002.02"
BAD_BODY = "400.002.05"
BAD_TOKEN = "404.001.03"
NOT_FOUND = "404.001.01"
BAD_METHOD = "405.001"
BUSY = "500.001.1001"
SPIKE = "500.003.02"
QUOTA = "500.003.03"
REGISTERED = "500.003.1001"

_PHONE = re.compile(r"254[17][0-9]{8}")
_TIMESTAMP = re.compile(r"[0-9]{14}")
_DIGITS = re.compile(r"[0-9]{1,12}")


class DarajaError(Exception):
    """A refusal: `requestId`, `errorCode`, `errorMessage`, under the HTTP status that the code begins with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message

    def body(self) -> dict[str, str]:
        """The JSON object of the refusal."""
        return {"requestId": request_id(), "errorCode": self.code, "errorMessage": self.message}

    def reply(self) -> Reply:
        """The whole answer."""
        return json_reply(int(self.code[:3]), self.body())


def request_id() -> str:
    """A number for one request, in Daraja's style."""
    return f"{secrets.randbelow(90_000) + 10_000}-{secrets.randbelow(90_000_000) + 10_000_000}-1"


def bad_field(name: str) -> DarajaError:
    """The refusal of one field."""
    return DarajaError(BAD_FIELD, f"Bad Request - Invalid {name}")


def eat(moment: datetime) -> str:
    """A moment as Daraja writes it: YYYYMMDDHHMMSS in East Africa Time."""
    return moment.astimezone(EAST_AFRICA).strftime("%Y%m%d%H%M%S")


@dataclass(frozen=True)
class Signed:
    """The three fields with which a short code proves itself."""

    short_code: str
    password: str
    timestamp: str

    def proves(self, passkey: str) -> bool:
        """Whether the password was made from this passkey and this very timestamp."""
        expected = base64.b64encode(f"{self.short_code}{passkey}{self.timestamp}".encode()).decode()
        return secrets.compare_digest(expected.encode(), self.password.encode())


@dataclass(frozen=True)
class Push:
    """A request for a prompt, checked field by field. The amount is in whole shillings."""

    signed: Signed
    transaction_type: str
    amount: int
    phone: str
    party_b: str
    callback_url: str
    account_reference: str
    description: str


def read_signed(body: Mapping[str, object], now: datetime) -> Signed:
    """The proof; the timestamp must be the clock of East Africa, a UTC one is three hours stale."""
    short_code = number_text(body, "BusinessShortCode")
    timestamp = number_text(body, "Timestamp", _TIMESTAMP)
    password = text(body, "Password", 1, 500)
    try:
        stamped = datetime.strptime(timestamp, "%Y%m%d%H%M%S").replace(tzinfo=EAST_AFRICA)
    except ValueError as error:
        raise bad_field("Timestamp") from error
    if abs(stamped - now) > TIMESTAMP_TOLERANCE:
        raise bad_field("Timestamp")
    return Signed(short_code, password, timestamp)


def read_push(body: Mapping[str, object], now: datetime) -> Push:
    """Check a prompt request (reference payments.md §1.2)."""
    signed = read_signed(body, now)
    transaction_type = text(body, "TransactionType", 1, 50)
    if transaction_type not in TRANSACTION_TYPES:
        raise bad_field("TransactionType")
    amount = int(number_text(body, "Amount"))
    if not 1 <= amount <= AMOUNT_MAX:
        raise bad_field("Amount")
    payer = number_text(body, "PartyA", _PHONE)
    if number_text(body, "PhoneNumber", _PHONE) != payer:
        raise bad_field("PhoneNumber")
    return Push(
        signed=signed,
        transaction_type=transaction_type,
        amount=amount,
        phone=payer,
        party_b=number_text(body, "PartyB"),
        callback_url=callback_url(body, "CallBackURL"),
        account_reference=text(body, "AccountReference", 1, REFERENCE_MAX),
        description=text(body, "TransactionDesc", 0, DESCRIPTION_MAX) if "TransactionDesc" in body else "",
    )


def callback_url(body: Mapping[str, object], name: str) -> str:
    """An address Daraja will call: https, or anything on this machine."""
    url = text(body, name, 1, URL_MAX)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise bad_field(name) from error
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or not secure or port == 0:
        raise bad_field(name)
    return url


def registered_url(body: Mapping[str, object], name: str, *, production: bool) -> str:
    """An address for C2B: as above and without the words Safaricom dislikes (§1.4)."""
    url = callback_url(body, name)
    words = FORBIDDEN_WORDS + (TUNNELS if production else ())
    if any(word in url.lower() for word in words):
        raise bad_field(name)
    return url


def text(body: Mapping[str, object], name: str, length_min: int, length_max: int) -> str:
    """A text field between two lengths."""
    value = body.get(name)
    if not isinstance(value, str) or not length_min <= len(value) <= length_max:
        raise bad_field(name)
    return value


def number_text(body: Mapping[str, object], name: str, pattern: re.Pattern[str] = _DIGITS) -> str:
    """A field of digits, sent as a number or as text: both are in use. Fractions, signs and truth are refused."""
    value = body.get(name)
    if isinstance(value, int) and 0 <= value < 10**20:
        value = str(value)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise bad_field(name)
    return value
