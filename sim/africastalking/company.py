"""The pretend Africa's Talking as a whole: one web address, several accounts, and everything a test may ask of it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sim.africastalking.accounts import Account, Inbound, ServiceCode, ShortCode, kes
from sim.africastalking.messaging import Hook, Messaging, Refusal, authenticate, read_bulk, read_classic
from sim.africastalking.network import DEFAULT_NETWORK_CODE, Network, Sms, Trouble
from sim.africastalking.reports import Reports
from sim.africastalking.ussd import Repeat, Switch, UssdSession
from sim.company import Company
from sim.http import Reply, Request, json_reply, text_reply
from sim.poster import Answer

CALLBACK_SECONDS = 15.0
FETCH_MAX = 100


@dataclass(frozen=True)
class Texted:
    """An SMS somebody sent to a short code, and what the service answered to each copy of the callback."""

    inbound: Inbound
    answers: tuple[Answer, ...]


class AfricasTalking(Company):
    """Stand-in for Africa's Talking. Protocol: reference africastalking.md; strict where the company is strict."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.accounts: dict[str, Account] = {}
        self.network = Network()
        self.reports = Reports(self.poster, self.background)
        self.messaging = Messaging(self.network, self.reports, self.now)
        self.switch = Switch(self.poster, self.background, self.now)
        self._inbound_numbers = itertools.count(1)

    # ── contracts with tenants ──

    def add_account(
        self,
        username: str,
        api_key: str,
        balance_minor: int = 1_000_000_00,
        *,
        delivery_url: str | None = None,
        opt_out_url: str | None = None,
    ) -> Account:
        """Open an account; the balance is in cents, an SMS part costs 80 of them."""
        self.accounts[username] = Account(username, api_key, balance_minor, delivery_url, opt_out_url)
        return self.accounts[username]

    def add_sender(self, username: str, sender: str) -> None:
        """Approve an alphanumeric sender."""
        self.accounts[username].senders.add(sender)

    def add_short_code(
        self,
        code: str,
        username: str,
        *,
        sms_url: str | None = None,
        delivery_url: str | None = None,
        opt_out_url: str | None = None,
    ) -> ShortCode:
        """Rent a number that can be texted to; adding it again changes its addresses."""
        short_code = ShortCode(code, username, sms_url, delivery_url, opt_out_url)
        self.accounts[username].short_codes[code] = short_code
        return short_code

    def add_service_code(self, code: str, *, ussd_url: str, ended_url: str | None = None) -> None:
        """Connect a USSD code; adding it again changes its addresses."""
        self.switch.add(ServiceCode(code, ussd_url, ended_url))

    # ── people ──

    def dial(self, msisdn: str, code: str, network_code: str = DEFAULT_NETWORK_CODE) -> UssdSession:
        """Somebody dials; the first screen is there when this returns."""
        self.network.know(msisdn, network_code)
        return self.switch.dial(msisdn, code, network_code)

    def in_session(self, msisdn: str) -> bool:
        """Whether this phone shows a USSD menu now, so that no payment prompt can come up."""
        return self.switch.in_session(msisdn)

    def text_in(self, msisdn: str, short_code: str, text: str, copies: int = 1) -> Texted:
        """Somebody texts a short code; the callback is posted (`copies` times) and answered when this returns."""
        owner = next((a for a in self.accounts.values() if short_code in a.short_codes), None)
        if owner is None:
            raise LookupError(f"nobody rents the short code {short_code}")
        rented = owner.short_codes[short_code]
        self.network.know(msisdn)
        number = next(self._inbound_numbers)
        pattern = "%Y-%m-%dT%H:%M:%SZ" if number % 2 else "%Y-%m-%d %H:%M:%S"
        link_id = str(uuid.uuid4()) if number % 3 else ""
        inbound = Inbound(number, msisdn, short_code, text, self.now().strftime(pattern), link_id)
        rented.inbound.append(inbound)
        fields = {"id": str(number), "from": msisdn, "to": short_code, "text": text, "date": inbound.date}
        if link_id:
            self.network.link(msisdn, link_id)
            fields["linkId"] = link_id
        if number % 4:
            fields["networkCode"] = self.network.network_code(msisdn)
        answers = [self._post(rented.sms_url, fields) for _ in range(copies)]
        return Texted(inbound, tuple(answers))

    def inbox(self, msisdn: str) -> list[Sms]:
        """Every SMS that reached a phone, oldest first."""
        return self.network.inbox(msisdn)

    def wait_for_sms(self, msisdn: str, contains: str = "", timeout_seconds: float = 10.0) -> Sms:
        """The newest SMS with these words; waits for it, `NoSms` if it does not come."""
        return self.network.wait_for_sms(msisdn, contains, timeout_seconds)

    def opt_out(self, msisdn: str, sender: str) -> Answer:
        """Somebody blocks a sender: the owner is told, and later messages get 406."""
        self.network.opt_out(msisdn, sender)
        owner = next((a for a in self.accounts.values() if a.owns(sender)), None)
        url = owner.opt_out_url_for(sender) if owner else None
        return self._post(url, {"senderId": sender, "phoneNumber": msisdn})

    def opt_in(self, msisdn: str, sender: str) -> None:
        """Somebody unblocks a sender."""
        self.network.opt_in(msisdn, sender)

    # ── trouble on demand, beyond what every company can have ──

    def fail_next(self, status_code: int, times: int = 1, msisdn: str | None = None) -> None:
        """Give the next recipients (of this number only, if named) one of the codes of §3.1."""
        self.messaging.fail_next(status_code, times, msisdn)

    def throttle(self, times: int = 1) -> None:
        """Answer 429 to the next calls."""
        self.answer_with(429, "Too Many Requests", times=times)

    def fail_delivery(self, msisdn: str, reason: str = "DeliveryFailure", status: str = "Failed") -> None:
        """Accept messages to a number but never deliver them; reports then end with this status and reason."""
        self.network.fail_delivery(msisdn, Trouble(status, reason))

    def heal_delivery(self, msisdn: str) -> None:
        """Deliver to this number again."""
        self.network.fail_delivery(msisdn, None)

    def repeat_next(self, copies: int = 2, how: Repeat = Repeat.AFTER) -> None:
        """Post the next USSD hop so many times, one after the other or at the same moment."""
        self.switch.repeat_next(copies, how)

    @property
    def on_send(self) -> list[Hook]:
        """Called with every accepted call before anything is done about it."""
        return self.messaging.on_send

    @property
    def after_send(self) -> list[Hook]:
        """Called when messages are in the inboxes but the caller does not know it yet."""
        return self.messaging.after_send

    # ── the web side ──

    def _route(self, request: Request) -> Reply:
        try:
            return self._answer(request)
        except Refusal as refusal:
            return refusal.reply

    def _answer(self, request: Request) -> Reply:
        match request.method, request.path:
            case "POST", "/version1/messaging":
                call = read_classic(request)
            case "POST", "/version1/messaging/bulk":
                call = read_bulk(request)
            case "GET", "/version1/messaging":
                return self._fetch(authenticate(self.accounts, request, request.query.get("username", "")), request)
            case "GET", "/version1/user":
                account = authenticate(self.accounts, request, request.query.get("username", ""))
                return json_reply(200, {"UserData": {"balance": kes(account.balance_minor)}})
            case _:
                return text_reply(404, "The requested resource could not be found.")
        return self.messaging.send(authenticate(self.accounts, request, call.username), call)

    def _fetch(self, account: Account, request: Request) -> Reply:
        last = request.query.get("lastReceivedId", "0") or "0"
        if not (last.isascii() and last.isdigit() and len(last) < 19):
            raise Refusal(400, "lastReceivedId must be a number")
        received = [sms for code in account.short_codes.values() for sms in code.inbound if sms.number > int(last)]
        received.sort(key=lambda sms: sms.number)
        rows = [
            {
                "id": sms.number,
                "from": sms.msisdn,
                "to": sms.short_code,
                "text": sms.text,
                "date": sms.date,
                "linkId": sms.link_id,
            }
            for sms in received[:FETCH_MAX]
        ]
        return json_reply(200, {"SMSMessageData": {"Messages": rows}})

    def _post(self, url: str | None, fields: dict[str, str]) -> Answer:
        if url is None:
            return Answer(None, error="no address registered")
        return self.poster.post_form(url, fields, timeout_seconds=CALLBACK_SECONDS)
