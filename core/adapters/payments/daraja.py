"""Safaricom M-Pesa through Daraja: prompts on the phone, status queries, callbacks (reference payments.md §1)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from core.adapters.http import Answer, Http, NotJson, Timeouts, read_json, text_of
from core.adapters.tokens import TokenStore
from core.clock import Clock
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.money import SCALE, BadAmount, Money
from core.phone import BadPhone, Msisdn
from core.ports import ConfirmedByQuery, NotPaid, Outcome, Paid, Prompt, Prompted, StillOpen, UnreadableCallback
from core.texts import clip, one_line, plain

BASE_URL = {"production": "https://api.safaricom.co.ke", "sandbox": "https://sandbox.safaricom.co.ke"}
TOKEN_PATH = "/oauth/v1/generate"
PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"
REGISTER_PATH = "/mpesa/c2b/v2/registerurl"

EAST_AFRICA = timezone(timedelta(hours=3), "EAT")
COUNTRY = "KE"
TOKEN_SECONDS_MAX = 50 * 60
TOKEN_SECONDS_TOLD = 3599
REFERENCE_LENGTH_MAX, DESCRIPTION_LENGTH_MAX = 12, 13
CALLBACK_BYTES_MAX = 64 * 1024
URL_WORDS_REFUSED = ("m-pesa", "mpesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
"""Safaricom registers no address that contains one of these (§1.4)."""

OUTCOME = {
    "1": "low_balance",
    "2": "limit",
    "3": "limit",
    "4": "limit",
    "8": "limit",
    "17": "repeat",
    "1001": "busy",
    "1019": "expired",
    "1025": "configuration",
    "1032": "cancelled",
    "1037": "no_answer",
    "2001": "wrong_pin",
    "2028": "configuration",
    "SFC_IC0003": "configuration",
    "8006": "locked",
    "9999": "other",
}
"""ResultCode → `NotPaid.why`, word for word the table of §1.2 (without 0, which is money)."""

VALIDATION_REFUSALS = {
    "C2B00011": "Invalid MSISDN",
    "C2B00012": "Invalid Account Number",
    "C2B00013": "Invalid Amount",
    "C2B00014": "Invalid KYC Details",
    "C2B00015": "Invalid Shortcode",
    "C2B00016": "Other Error",
}

_TOKEN_REFUSED = {"400.003.01", "401.002.01", "404.001.03"}
_BUSY = "500.001.1001"
_OVERLOADED = {"500.003.02", "500.003.03"}
_PAYER = re.compile(r"254[17][0-9]{8}")
_RECEIPT = re.compile(r"[A-Z0-9]{8,20}")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,100}")
_RESULT_CODE = re.compile(r"[A-Za-z0-9_.]{1,20}")
_MOMENT, _TOKEN = re.compile(r"20[0-9]{12}"), re.compile(r"[\x21-\x7e]{1,4000}")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_\-]{20,}")
_STILL_OPEN = re.compile(r"(being|under) process", re.IGNORECASE)
_NUMBER = re.compile(r"\+?254[0-9]{9}")


@dataclass(frozen=True, slots=True)
class DarajaAccount:
    """One ISP's M-Pesa contract. For a till, `short_code` is the store (head office) number and `till_number` the till."""

    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    short_code: str
    passkey: str = field(repr=False)
    till_number: str | None = None
    environment: str = "production"
    base_url: str | None = None


def validation_answer(accept: bool, code: str = "C2B00016") -> dict[str, str]:
    """What the validation address answers within 8 s: take this payment, or refuse it for one of VALIDATION_REFUSALS."""
    if accept:
        return {"ResultCode": "0", "ResultDesc": "Accepted"}
    return {"ResultCode": code, "ResultDesc": VALIDATION_REFUSALS[code]}


def external_id(body: bytes) -> str | None:
    """A name for this piece of news that is the same when it comes again; None when it is not Daraja's.

    `stk:<CheckoutRequestID>:<ResultCode>:<receipt or ->` for a prompt, `c2b:<TransID>` for a notice about a payment.
    """
    try:
        fields = _object(body)
        if "TransID" in fields:
            return f"c2b:{_matching(fields, 'TransID', _RECEIPT)}"
        callback = _stk_callback(fields)
        items = _items(callback) if "CallbackMetadata" in callback else {}
        receipt = _matching(items, "MpesaReceiptNumber", _RECEIPT) if "MpesaReceiptNumber" in items else "-"
        request_id = _matching(callback, "CheckoutRequestID", _REQUEST_ID)
        return f"stk:{request_id}:{_matching(callback, 'ResultCode', _RESULT_CODE)}:{receipt}"
    except UnreadableCallback:
        return None


class Daraja:
    """`core.ports.PaymentGateway` for one account. Knows neither customers nor our books."""

    name = "daraja"

    def __init__(
        self,
        account: DarajaAccount,
        tokens: TokenStore,
        clock: Clock,
        currency: str = "KES",
        timeouts: Timeouts | None = None,
    ) -> None:
        base_url = account.base_url or BASE_URL.get(account.environment, "")
        self._account, self._tokens, self._clock, self._currency = account, tokens, clock, currency
        self._http = Http(base_url, timeouts)
        # Tokens belong to an app at one host, whichever of our tenants uses it.
        self._token_name = "daraja:" + hashlib.sha256(f"{base_url}\n{account.consumer_key}".encode()).hexdigest()[:32]

    # ── what the port promises ──

    def prompt(self, prompt: Prompt) -> Prompted:
        answer = self._post(PUSH_PATH, self._push(prompt), idempotent=False)
        said = answer.json_object()
        request_id, code = said.get("CheckoutRequestID"), said.get("ResponseCode")
        if answer.ok and code == "0" and isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id):
            return Prompted(request_id, one_line(text_of(said, "MerchantRequestID"), 100))
        if "errorCode" not in said and answer.ok and isinstance(code, str) and code != "0":
            words = self._clean(text_of(said, "ResponseDescription"))
            raise GatewayRefused(f"Daraja did not take the prompt ({code}): {words}", code="refused", permanent=False)
        raise self._failure(answer, unclear=OutcomeUnknown)

    def status(self, request_id: str) -> Outcome:
        answer = self._post(QUERY_PATH, {**self._signature(), "CheckoutRequestID": request_id}, idempotent=True)
        said = answer.json_object()
        if _STILL_OPEN.search(text_of(said, "errorMessage") + text_of(said, "ResultDesc")):
            return StillOpen(request_id)
        code = said.get("ResultCode")
        if not answer.ok or not isinstance(code, str) or said.get("CheckoutRequestID", request_id) != request_id:
            raise self._failure(answer, unclear=GatewayDown)
        if code == "0":
            return ConfirmedByQuery(request_id)
        detail = self._clean(text_of(said, "ResultDesc"))
        return NotPaid(request_id, OUTCOME.get(code, "other"), one_line(code, 20), detail)

    def read_callback(self, body: bytes) -> Outcome:
        """Understand a callback about a prompt, or a C2B notice about any payment to our number.

        A C2B *validation* request looks like a confirmation but asks about money that has not moved: only the address
        it was posted to tells them apart, so never hand in what came to the validation address.
        """
        fields = _object(body)
        return self._read_notice(fields) if "TransID" in fields else self._read_stk(_stk_callback(fields))

    def ping(self) -> None:
        """Fetch a new token, which only works with good keys, and share it (the one before it dies by that)."""
        with self._tokens.lock(self._token_name):
            self._fetch_token()

    # ── beyond the port ──

    def register_urls(self, validation_url: str, confirmation_url: str) -> None:
        """Tell Safaricom where to announce payments made by hand. Production takes this once in a short code's life."""
        for url in (validation_url, confirmation_url):
            if word := next((word for word in URL_WORDS_REFUSED if word in url.lower()), None):
                raise GatewayRefused(f"Safaricom registers no address with “{word}” in it", code="address")
        fields = {
            "ShortCode": self._account.short_code,
            "ResponseType": "Completed",
            "ConfirmationURL": confirmation_url,
            "ValidationURL": validation_url,
        }
        answer = self._post(REGISTER_PATH, fields, idempotent=False)
        said = answer.json_object()
        if "already registered" in text_of(said, "errorMessage").lower():
            raise GatewayRefused("Daraja has addresses for this short code already", code="already_registered")
        if not answer.ok or said.get("ResponseCode") != "0":
            raise self._failure(answer, unclear=OutcomeUnknown)

    # ── asking ──

    def _push(self, prompt: Prompt) -> dict[str, object]:
        account, amount = self._account, prompt.amount
        if amount.currency != self._currency or amount.minor <= 0 or amount.minor % 10 ** SCALE[self._currency]:
            raise GatewayRefused("M-Pesa takes whole shillings, one or more", code="amount")
        if not _PAYER.fullmatch(prompt.payer.digits):
            raise GatewayRefused("not a number that M-Pesa can ask", code="payer")
        if not 1 <= len(prompt.reference) <= REFERENCE_LENGTH_MAX or plain(prompt.reference) != prompt.reference:
            raise GatewayRefused("the reference is longer than 12 characters or odd", code="reference")
        fields: dict[str, object] = {
            **self._signature(),
            "TransactionType": "CustomerBuyGoodsOnline" if account.till_number else "CustomerPayBillOnline",
            "Amount": amount.whole,
            "PartyA": prompt.payer.digits,
            "PartyB": account.till_number or account.short_code,
            "PhoneNumber": prompt.payer.digits,
            "CallBackURL": prompt.callback_url,
            "AccountReference": prompt.reference,
        }
        description = clip(one_line(plain(prompt.description)), DESCRIPTION_LENGTH_MAX).strip()
        return fields | ({"TransactionDesc": description} if description else {})

    def _signature(self) -> dict[str, object]:
        """Proof of the short code; the timestamp is East Africa's and the same in both places, else it counts as stale."""
        timestamp = self._clock.now().astimezone(EAST_AFRICA).strftime("%Y%m%d%H%M%S")
        password = base64.b64encode(f"{self._account.short_code}{self._account.passkey}{timestamp}".encode()).decode()
        return {"BusinessShortCode": self._account.short_code, "Password": password, "Timestamp": timestamp}

    def _post(self, path: str, fields: Mapping[str, object], *, idempotent: bool) -> Answer:
        """Post with a token; once more with a newer one if it is refused, which is before anything is done."""
        token: str | None = None
        for _attempt in range(2):
            token = self._token(refused=token)
            headers = {"Authorization": f"Bearer {token}"}
            answer = self._http.post_json(path, fields, headers=headers, idempotent=idempotent)
            if not _refuses_token(answer):
                return answer
        raise GatewayDown("Daraja refuses even a new access token: does another system use the same app?")

    def _failure(self, answer: Answer, *, unclear: type[GatewayFailure]) -> GatewayFailure:
        """What an answer that is no success means; `unclear` for those that do not say that nothing was done."""
        said = answer.json_object()
        code = one_line(text_of(said, "errorCode"), 20)
        if not code:
            words = f"Daraja answered HTTP {answer.status} without a readable verdict"
            return GatewayDown(words) if 300 <= answer.status < 500 else unclear(words)
        message = self._clean(text_of(said, "errorMessage"))
        words, lowered = f"Daraja {code}: {message}", message.lower()
        if code in _OVERLOADED or code.startswith("429") or answer.status == 429:
            return GatewayDown(words)
        if code == _BUSY:  # one code, three meanings: a busy line, a wrong account, a bad hour
            wrong = "merchant" in lowered or "credential" in lowered
            return GatewayRefused(words, code="configuration") if wrong else GatewayDown(words)
        if code.startswith("4"):
            return GatewayRefused(words, code="configuration")
        return unclear(words)

    # ── token (§1.1: a new one kills the one before) ──

    def _token(self, refused: str | None = None) -> str:
        """The shared token; a new one if there is none, or if the shared one is the very one that was refused."""
        token = self._tokens.get(self._token_name)
        if token is None or token == refused:
            with self._tokens.lock(self._token_name):
                token = self._tokens.get(self._token_name)
                if token is None or token == refused:
                    token = self._fetch_token()
        return token

    def _fetch_token(self) -> str:
        pair = base64.b64encode(f"{self._account.consumer_key}:{self._account.consumer_secret}".encode()).decode()
        answer = self._http.get(
            TOKEN_PATH, query={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {pair}"}
        )
        said = answer.json_object()
        token = text_of(said, "access_token")
        if answer.ok and _TOKEN.fullmatch(token):
            told = text_of(said, "expires_in")
            seconds = int(told) if re.fullmatch(r"[0-9]{1,6}", told) else TOKEN_SECONDS_TOLD
            self._tokens.put(self._token_name, token, max(min(seconds * 5 // 6, TOKEN_SECONDS_MAX), 1))
            return token
        words = f"Daraja gave no access token: HTTP {answer.status} {self._clean(text_of(said, 'errorMessage'))}"
        if answer.status in (400, 401) and not answer.looks_like_html:
            raise GatewayRefused(words, code="configuration")
        raise GatewayDown(words)

    def _clean(self, text: str) -> str:
        """Their words without what could be ours: keys, tokens, secret addresses and phone numbers are blotted out."""
        for secret in (self._account.consumer_key, self._account.consumer_secret, self._account.passkey):
            text = text.replace(secret, "•••") if secret else text
        return one_line(_NUMBER.sub("•••", _LONG_WORD.sub("•••", text)), 160)

    # ── listening ──

    def _read_stk(self, callback: Mapping[str, object]) -> Outcome:
        request_id = _matching(callback, "CheckoutRequestID", _REQUEST_ID)
        code = _matching(callback, "ResultCode", _RESULT_CODE)
        if code != "0":
            if code not in OUTCOME:
                raise UnreadableCallback(f"ResultCode {code} is a new word: it is not guessed")
            return NotPaid(request_id, OUTCOME[code], code, self._clean(text_of(callback, "ResultDesc")))
        items = _items(callback)
        payer, payer_hint = _payer(text_of(items, "PhoneNumber"))
        return Paid(
            receipt_no=_matching(items, "MpesaReceiptNumber", _RECEIPT),
            amount=self._amount(text_of(items, "Amount")),
            request_id=request_id,
            payer=payer,
            payer_hint=payer_hint,
            paid_at=_moment(items, "TransactionDate"),
        )

    def _read_notice(self, notice: Mapping[str, object]) -> Paid:
        if text_of(notice, "BusinessShortCode") not in (self._account.short_code, self._account.till_number):
            raise UnreadableCallback("a payment to a short code that is not ours")
        payer, payer_hint = _payer(text_of(notice, "MSISDN"))
        return Paid(
            receipt_no=_matching(notice, "TransID", _RECEIPT),
            amount=self._amount(text_of(notice, "TransAmount")),
            account=one_line(text_of(notice, "BillRefNumber"), 40) or None,
            payer=payer,
            payer_hint=payer_hint,
            first_name=one_line(text_of(notice, "FirstName"), 40) or None,
            paid_at=_moment(notice, "TransTime"),
        )

    def _amount(self, text: str) -> Money:
        try:
            amount = Money.parse(text, self._currency)
        except BadAmount as error:
            raise UnreadableCallback("the amount is not an amount") from error
        if amount.minor <= 0:
            raise UnreadableCallback("the amount is nothing")
        return amount


# ---- pieces of JSON; numbers are still the text they were ----


def _object(body: bytes) -> dict[str, object]:
    if len(body) > CALLBACK_BYTES_MAX:
        raise UnreadableCallback("the body is absurdly long")
    try:
        found = read_json(body)
    except NotJson as error:
        raise UnreadableCallback(str(error)) from error
    if not isinstance(found, dict):
        raise UnreadableCallback("the body is not a JSON object")
    return found


def _stk_callback(fields: Mapping[str, object]) -> dict[str, object]:
    outer = fields.get("Body")
    callback = outer.get("stkCallback") if isinstance(outer, dict) else None
    if not isinstance(callback, dict):
        raise UnreadableCallback("neither a callback about a prompt nor a notice about a payment")
    return callback


def _items(callback: Mapping[str, object]) -> dict[str, object]:
    """`CallbackMetadata.Item` by name; an item without a value is left out."""
    metadata = callback.get("CallbackMetadata")
    rows = metadata.get("Item") if isinstance(metadata, dict) else None
    if not isinstance(rows, list):
        raise UnreadableCallback("paid, but without metadata")
    items: dict[str, object] = {}
    for row in rows:
        name = row.get("Name") if isinstance(row, dict) else None
        if not isinstance(name, str) or name in items:
            raise UnreadableCallback("the metadata are not what Daraja sends")
        items[name] = row.get("Value")
    return items


def _matching(fields: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = text_of(fields, name)
    if not pattern.fullmatch(value):
        raise UnreadableCallback(f"{name} is missing or odd")
    return value


def _moment(fields: Mapping[str, object], name: str) -> datetime | None:
    """`YYYYMMDDHHMMSS` in East Africa Time → UTC; None when it is not there."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        naive = datetime.strptime(_matching(fields, name, _MOMENT), "%Y%m%d%H%M%S")
    except ValueError as error:
        raise UnreadableCallback(f"{name} is not a date") from error
    return naive.replace(tzinfo=EAST_AFRICA).astimezone(UTC)


def _payer(text: str) -> tuple[Msisdn | None, str | None]:
    """A plain number, or else whatever was shown in its place: a mask or a hash."""
    try:
        return Msisdn.parse(text, COUNTRY), None
    except BadPhone:
        return None, one_line(text, 64).lower() or None


def _refuses_token(answer: Answer) -> bool:
    said = answer.json_object()
    words = text_of(said, "errorMessage").lower()
    return not answer.ok and (text_of(said, "errorCode") in _TOKEN_REFUSED or "invalid access token" in words)
