"""SMS and account balance through the `africastalking` package (reference africastalking.md §3.1, §5, §7).

What the package leaves to us: it knows no base address, throws away the HTTP status of a refusal, hands a string over
when the content type has a suffix, and says nothing about the single recipient. It opens a connection of its own for
every call and obeys proxy variables of the environment; neither can be set from outside.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from decimal import Decimal

import requests
import structlog
from africastalking.Application import ApplicationService  # type: ignore[import-untyped]
from africastalking.Service import AfricasTalkingException, Service  # type: ignore[import-untyped]
from africastalking.SMS import SMSService  # type: ignore[import-untyped]
from requests.exceptions import ConnectTimeout, InvalidHeader, InvalidURL, MissingSchema, ProxyError, SSLError
from urllib3.exceptions import HTTPError, NewConnectionError

from core.adapters.http import NotJson, Timeouts, read_json
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.money import SCALE, Money
from core.ports import Sms, SmsAccepted, SmsRejected
from core.texts import one_line

API_PATH = "/version1"
MICRO = 10**6

ACCEPTED = {"100", "101", "102"}
WRONG_SENDER = "402"
REJECTED: dict[str, tuple[str, bool]] = {
    "401": ("held", False),
    "402": ("sender", False),
    "403": ("bad_number", True),
    "404": ("bad_number", True),
    "405": ("no_balance", False),
    "406": ("opted_out", True),
    "407": ("no_route", False),
    "409": ("opted_out", True),
    "500": ("gateway", False),
    "501": ("gateway", False),
    "502": ("gateway", False),
}
"""A recipient's statusCode → `SmsRejected.reason` and whether trying later is pointless (§3.1)."""

CODE_OF_WORD = {"invalidsenderid": "402", "insufficientbalance": "405", "userinblacklist": "406"}
"""When there are no recipients at all, `Message` can be one of these words instead."""

_SENTENCE_OF_REFUSAL = re.compile(
    r"authentication|unauthori[sz]ed|forbidden|must have|missing|malformed|invalid|not be found|bad request|must be",
    re.IGNORECASE,
)
_SENTENCE_OF_TROUBLE = re.compile(
    r"<|too many|unavailable|internal|gateway|time-?d? ?out|try again|busy", re.IGNORECASE
)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_KEY = re.compile(r"[\x21-\x7e]{1,500}")
_SUM = re.compile(r"(?:([A-Z]{3}) ?)?(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)")
log = structlog.get_logger(__name__)


class AfricasTalking:
    """`core.ports.SmsGateway` for one account. The user name `sandbox` means Africa's Talking's sandbox."""

    def __init__(
        self,
        username: str,
        api_key: str,
        sender_id: str | None = None,
        currency: str = "KES",
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        if not _KEY.fullmatch(username) or not _KEY.fullmatch(api_key):
            raise GatewayRefused("the user name or key of Africa's Talking has odd characters", code="configuration")
        timeouts = timeouts or Timeouts()
        self._sender_id, self._currency, self._secret = sender_id or None, currency, api_key
        self._timeout = (timeouts.connect_seconds, timeouts.read_seconds)
        self._sms, self._application = SMSService(username, api_key), ApplicationService(username, api_key)
        if base_url is not None:
            _point(self._sms, base_url)
            _point(self._application, base_url)

    def send(self, sms: Sms) -> SmsAccepted:
        """Hand over one SMS; once more without sender when it is the sender that is not liked.

        A reply to a premium message (`link_id`) leaves through the premium endpoint, which needs our short code as sender.
        """
        if not _E164.fullmatch(sms.to):
            raise GatewayRefused("not a number in international form", code="number")
        try:
            return self._send(sms, self._sender_id)
        except SmsRejected as rejected:
            if rejected.code != WRONG_SENDER or self._sender_id is None:
                raise
            log.warning("sms_sender_refused", sender=one_line(self._sender_id, 20))
        return self._send(sms, None)

    def balance(self) -> Money:
        """What is left on the account, rounded down, in the currency Africa's Talking names."""
        said = self._call("balance", self._application.fetch_application_data, idempotent=True)
        user = said.get("UserData")
        match = _SUM.fullmatch(str(user.get("balance")).strip()) if isinstance(user, dict) else None
        currency = (match[1] or self._currency) if match else ""
        if match is None or currency not in SCALE:
            raise GatewayDown("Africa's Talking did not say what the balance is")
        return Money(_micro(match[2]) * 10 ** SCALE[currency] // MICRO, currency)

    def _send(self, sms: Sms, sender_id: str | None) -> SmsAccepted:
        if sms.link_id is not None and sender_id is not None:
            said = self._call(
                "premium",
                lambda timeout: self._sms.send_premium(
                    sms.text, sender_id, [str(sms.to)], link_id=sms.link_id, timeout=timeout
                ),
            )
        else:
            said = self._call(
                "send", lambda timeout: self._sms.send(sms.text, [str(sms.to)], sender_id=sender_id, timeout=timeout)
            )
        row = _recipient(said, str(sms.to))
        code = str(row.get("statusCode"))
        if code in REJECTED:
            reason, final = REJECTED[code]
            raise SmsRejected(reason, final=final, code=code)
        if code not in ACCEPTED:
            words = self._clean(f"{code} {row.get('status')}")
            raise GatewayRefused(f"Africa's Talking gave a status we do not know: {words}", code=one_line(code, 20))
        message_id = row.get("messageId")
        known = isinstance(message_id, str) and message_id != "None"
        return SmsAccepted(one_line(str(message_id), 100) if known else "", self._cost_micro(row.get("cost")))

    def _cost_micro(self, cost: object) -> int | None:
        """`KES 0.8000` or a bare 0, exactly; None for anything else and for another currency than ours."""
        match = _SUM.fullmatch(str(cost).strip())
        if match is None or match[1] not in (None, self._currency):
            return None
        return _micro(match[2])

    def _call(self, what: str, call: Callable[..., object], *, idempotent: bool = False) -> dict[str, object]:
        """Call the package and return the JSON object that came back. Everything it can raise becomes our failures."""
        started = time.monotonic()
        found: object = None
        failure: GatewayFailure | None = None
        try:
            found = call(timeout=self._timeout)
        except AfricasTalkingException as error:
            failure = self._judge_words(str(error))
        except (requests.RequestException, HTTPError, OSError, ValueError, RecursionError) as error:
            failure = _judge_error(error)
        if isinstance(found, str):
            try:
                found = read_json(found)
            except NotJson:
                found = None
        if failure is None and not isinstance(found, dict):
            failure = OutcomeUnknown("Africa's Talking answered something unreadable")
        if idempotent and isinstance(failure, OutcomeUnknown):
            failure = GatewayDown(str(failure))
        log.info(
            "sms_gateway_call",
            what=what,
            failure=type(failure).__name__ if failure else None,
            milliseconds=round((time.monotonic() - started) * 1000),
        )
        if failure is not None:
            raise failure  # out here: the library's exceptions quote what was sent
        assert isinstance(found, dict)
        return found

    def _judge_words(self, text: str) -> GatewayFailure:
        """A refusal of the whole call reaches us as its words alone: short sentences for 400 and 401, else trouble."""
        words = f"Africa's Talking: {self._clean(text) or 'no words'}"
        if _SENTENCE_OF_REFUSAL.search(text) and not _SENTENCE_OF_TROUBLE.search(text):
            return GatewayRefused(words, code="configuration")
        return GatewayDown(words)

    def _clean(self, text: str) -> str:
        """Their words, without our key and without phone numbers."""
        return one_line(re.sub(r"\+?[0-9]{9,15}", "•••", text[:2000].replace(self._secret, "•••")), 160)


def _point(service: Service, base_url: str) -> None:
    """Make the package call another address. It has no option for that, so this writes two of its private attributes
    (africastalking 2.0.3) and then asks the package where it would call: a version that ignores them is found out here
    and not by an SMS that goes somewhere else.
    """
    wanted = base_url.rstrip("/") + API_PATH
    service._baseUrl = wanted
    service._contentUrl = wanted
    if {service._make_url("/x"), service._make_url("/x", content=True)} != {wanted + "/x"}:
        raise GatewayRefused(
            "this version of the africastalking package cannot be pointed elsewhere", code="configuration"
        )


def _judge_error(error: Exception) -> GatewayFailure:
    """Was the request out when this happened? Every call has a connection of its own, so the kind of error tells."""
    if isinstance(error, InvalidHeader | InvalidURL | MissingSchema | UnicodeError):
        return GatewayRefused(f"Africa's Talking cannot be called ({type(error).__name__})", code="configuration")
    if isinstance(error, ConnectTimeout | SSLError | ProxyError) or _never_connected(error):
        return GatewayDown(f"Africa's Talking cannot be reached ({type(error).__name__})")
    if not isinstance(error, requests.RequestException) and str(error).startswith("Invalid phone number"):
        return GatewayRefused("the africastalking package does not take this number", code="number")
    return OutcomeUnknown(f"Africa's Talking did not answer properly ({type(error).__name__})")


def _never_connected(error: Exception) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)


def _recipient(said: dict[str, object], number: str) -> dict[str, object]:
    """The row about our recipient."""
    data = said.get("SMSMessageData")
    if not isinstance(data, dict):
        raise OutcomeUnknown("Africa's Talking answered without SMSMessageData")
    listed = data.get("Recipients")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    for row in rows:
        if len(rows) == 1 or row.get("number") == number:
            return row
    word = one_line(str(data.get("Message")), 60)
    if code := CODE_OF_WORD.get(word.lower()):
        return {"statusCode": code, "status": word}
    raise GatewayRefused(f"Africa's Talking says nothing about the recipient: {word}", code="recipient")


def _micro(amount: str) -> int:
    return int(Decimal(amount) * MICRO)
