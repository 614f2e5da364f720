"""Sending SMS through the pretend Africa's Talking: who may, to whom, what it costs and what happens to it."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import phonenumbers

from sim.africastalking import gsm
from sim.africastalking.accounts import DEFAULT_SENDER, Account, kes
from sim.africastalking.network import Network, Sms
from sim.africastalking.reports import Report, Reports
from sim.http import BadBody, Reply, Request, json_reply, text_reply

PRICE_MINOR_PER_PART = 80
STATUS_WORDS = {
    100: "Processed",
    101: "Success",
    102: "Queued",
    401: "RiskHold",
    402: "InvalidSenderId",
    403: "InvalidPhoneNumber",
    404: "UnsupportedNumberType",
    405: "InsufficientBalance",
    406: "UserInBlacklist",
    407: "CouldNotRoute",
    409: "DoNotDisturbRejection",
    500: "InternalServerError",
    501: "GatewayError",
    502: "RejectedByGateway",
}
ACCEPTED = frozenset({100, 101, 102})
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


@dataclass(frozen=True)
class SendRequest:
    """One call to send. A masked payer has no recipients but a hash; a premium answer names the link it belongs to."""

    username: str
    message: str
    recipients: tuple[str, ...]
    sender: str
    enqueue: bool
    masked_number: str = ""
    link_id: str = ""


Hook = Callable[[SendRequest], None]


class Refusal(Exception):
    """The whole call is refused, with a plain sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.reply = text_reply(status, sentence)


def authenticate(accounts: dict[str, Account], request: Request, username: str) -> Account:
    """The account that calls; `Refusal` 400 without a user name and 401 without its key."""
    if not username:
        raise Refusal(400, "Must have username in your request")
    account = accounts.get(username)
    if account is None or request.headers.get("apikey") != account.api_key:
        raise Refusal(401, "The supplied authentication is invalid")
    return account


def read_classic(request: Request) -> SendRequest:
    """The form that `africastalking` 2.0.3 posts (reference africastalking.md §3.1)."""
    try:
        form = request.form()
    except BadBody as error:
        raise Refusal(400, "The request is not a form") from error
    recipients = tuple(number.strip() for number in form.get("to", "").split(",") if number.strip())
    sender = form.get("from", "")
    enqueue, link_id = form.get("enqueue") == "1", form.get("linkId", "")
    return SendRequest(form.get("username", ""), form.get("message", ""), recipients, sender, enqueue, link_id=link_id)


def read_bulk(request: Request) -> SendRequest:
    """The JSON of the newer endpoint, with real numbers or one masked number (§3.1)."""
    try:
        body = request.json_object()
    except BadBody as error:
        raise Refusal(400, "The request content was malformed") from error
    texts = {name: body.get(name, "") for name in ("username", "message", "senderId", "maskedNumber")}
    numbers = body.get("phoneNumbers", [])
    if not all(isinstance(text, str) for text in texts.values()):
        raise Refusal(400, "The request content was malformed")
    if not isinstance(numbers, list) or not all(isinstance(number, str) for number in numbers):
        raise Refusal(400, "phoneNumbers must be a list of text")
    masked = str(texts["maskedNumber"])
    if masked and (numbers or body.get("telco") != "Safaricom"):
        raise Refusal(400, "maskedNumber needs an empty phoneNumbers and telco Safaricom")
    enqueue = body.get("enqueue") in (True, 1)
    sender = str(texts["senderId"])
    return SendRequest(str(texts["username"]), str(texts["message"]), tuple(numbers), sender, enqueue, masked)


@lru_cache(maxsize=100_000)
def number_status(number: str) -> int | None:
    """403 for what is no number, 404 for a number that cannot get SMS, None for a good one."""
    if not _E164.fullmatch(number):
        return 403
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return 403
    if not phonenumbers.is_valid_number(parsed):
        return 403
    return None if phonenumbers.number_type(parsed) in _MOBILE else 404


@dataclass
class _Forced:
    status_code: int
    times: int
    msisdn: str | None


@dataclass
class Messaging:
    """The sending desk."""

    network: Network
    reports: Reports
    now: Callable[[], datetime]
    on_send: list[Hook] = field(default_factory=list)
    after_send: list[Hook] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._forced: list[_Forced] = []
        self.sent_count = 0

    def fail_next(self, status_code: int, times: int, msisdn: str | None) -> None:
        """Give the next recipients this code (see STATUS_WORDS), whatever the rules say."""
        if status_code not in STATUS_WORDS:
            raise ValueError(f"Africa's Talking has no status {status_code}")
        with self._lock:
            self._forced.append(_Forced(status_code, times, msisdn))

    def send(self, account: Account, call: SendRequest) -> Reply:
        """Handle one authenticated call: 201 whatever happens to the single recipients."""
        if not call.message:
            raise Refusal(400, "Request is missing required form field 'message'")
        if not call.recipients and not call.masked_number:
            raise Refusal(400, "Request is missing required form field 'to'")
        for hook in self.on_send:
            hook(call)
        reports: list[Report] = []
        rows = [self._send_one(account, call, number, reports) for number in call.recipients or (call.masked_number,)]
        for hook in self.after_send:
            hook(call)
        accepted = [row for row in rows if row["messageId"] != "None"]
        cost_minor = len(accepted) * gsm.parts(call.message) * PRICE_MINOR_PER_PART
        summary = f"Sent to {len(accepted)}/{len(rows)} Total Cost: {kes(cost_minor) if accepted else '0'}"
        answer = {"SMSMessageData": {"Message": summary, "Recipients": rows}}
        admitted = self.reports.admit(reports)
        return json_reply(201, answer, lambda: self.reports.announce(admitted))

    def _send_one(self, account: Account, call: SendRequest, shown: str, reports: list[Report]) -> dict[str, object]:
        msisdn = self.network.find_by_hash(shown) if call.masked_number else shown
        sender = call.sender or DEFAULT_SENDER
        part_count = gsm.parts(call.message)
        cost_minor = part_count * PRICE_MINOR_PER_PART
        code = self._obstacle(account, sender, msisdn) if msisdn is None else self._take_forced(shown)
        code = code or self._obstacle(account, sender, msisdn)
        with self._lock:
            if code is None and account.balance_minor < cost_minor:
                code = 405
            code = code or (102 if call.enqueue else 101)
            if code in ACCEPTED:
                account.balance_minor -= cost_minor
                self.sent_count += 1
        row: dict[str, object] = {"statusCode": code, "number": shown, "status": STATUS_WORDS[code]}
        if code not in ACCEPTED or msisdn is None:
            return row | {"cost": "0", "messageId": "None"}
        message_id = f"ATXid_{uuid.uuid4().hex}"
        self.network.know(msisdn)
        sms = Sms(call.message, sender, part_count, message_id, self.now())
        trouble = self.network.deliver(msisdn, sms, call.link_id)
        url = account.delivery_url_for(sender)
        if url is not None:
            reports.append(Report(url, message_id, msisdn, self.network.network_code(msisdn), trouble))
        return row | {"cost": kes(cost_minor), "messageId": message_id}

    def _obstacle(self, account: Account, sender: str, msisdn: str | None) -> int | None:
        if msisdn is None:
            return 403
        bad_number = number_status(msisdn)
        if bad_number is not None:
            return bad_number
        if not account.owns(sender):
            return 402
        return 406 if self.network.has_opted_out(msisdn, sender) else None

    def _take_forced(self, number: str) -> int | None:
        with self._lock:
            for forced in self._forced:
                if forced.msisdn in (None, number):
                    forced.times -= 1
                    if forced.times <= 0:
                        self._forced.remove(forced)
                    return forced.status_code
        return None
