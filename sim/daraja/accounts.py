"""Apps and their tokens, and the businesses behind short codes."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sim.daraja.rules import BAD_TOKEN, BUSY, DarajaError, Signed
from sim.http import Reply, Request, json_reply

TOKEN_SECONDS = 3599
BAD_LOGIN = "400.008.01"
BAD_GRANT = "400.008.02"


@dataclass
class App:
    """One pair of credentials from the developer portal. Only its newest token is good."""

    consumer_key: str
    consumer_secret: str
    token: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Registration:
    """Where a business wants to hear about payments, and what happens when it does not answer."""

    response_type: str
    validation_url: str
    confirmation_url: str


@dataclass
class Business:
    """A Paybill, or a store with a till: then `short_code` is the store number and `till` what customers type."""

    short_code: str
    passkey: str
    consumer_key: str
    name: str
    till: str | None = None
    validation: bool = False
    registration: Registration | None = None
    balance_minor: int = 0

    @property
    def transaction_type(self) -> str:
        """The only type its prompts may have."""
        return "CustomerBuyGoodsOnline" if self.till else "CustomerPayBillOnline"

    @property
    def customer_number(self) -> str:
        """The number customers pay to."""
        return self.till or self.short_code

    @property
    def kind(self) -> str:
        """The word for it in a C2B notice."""
        return "Buy Goods" if self.till else "Pay Bill"


class Accounts:
    """Everything the portal knows. Safe to use from many threads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._apps: dict[str, App] = {}
        self._businesses: dict[str, Business] = {}

    def add_app(self, app: App) -> App:
        """Hand out credentials."""
        with self._lock:
            self._apps[app.consumer_key] = app
        return app

    def add_business(self, business: Business) -> Business:
        """Give a short code to an app."""
        with self._lock:
            self._businesses[business.short_code] = business
        return business

    def issue_token(self, request: Request) -> Reply:
        """Answer the OAuth call; the app's previous token is dead from now on (reference payments.md §1.1)."""
        if request.query.get("grant_type") != "client_credentials":
            raise DarajaError(BAD_GRANT, "Invalid grant type passed")
        key, secret = _basic(request.headers.get("authorization", ""))
        with self._lock:
            app = self._apps.get(key)
            if app is None or not secrets.compare_digest(app.consumer_secret.encode(), secret.encode()):
                raise DarajaError(BAD_LOGIN, "Invalid Authentication passed")
            app.token = secrets.token_urlsafe(21)
            app.expires_at = self._now() + timedelta(seconds=TOKEN_SECONDS)
            return json_reply(200, {"access_token": app.token, "expires_in": str(TOKEN_SECONDS)})

    def forget_tokens(self) -> None:
        """All tokens are dead at once, as after a restart at Safaricom."""
        with self._lock:
            for app in self._apps.values():
                app.token = ""

    def authorise(self, request: Request) -> App:
        """The app behind a bearer token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            for app in self._apps.values():
                good = app.token and secrets.compare_digest(app.token.encode(), token.strip().encode())
                if scheme.lower() == "bearer" and good and app.expires_at is not None and self._now() < app.expires_at:
                    return app
        raise DarajaError(BAD_TOKEN, "Invalid Access Token")

    def signed_business(self, app: App, signed: Signed) -> Business:
        """The business that signed a call, if the signature is right and the app may speak for it."""
        business = self.find(signed.short_code)
        if business is None or business.short_code != signed.short_code:
            raise DarajaError(BUSY, "Merchant does not exist")
        if business.consumer_key != app.consumer_key or not signed.proves(business.passkey):
            raise DarajaError(BUSY, "Wrong credentials")
        return business

    def find(self, number: str) -> Business | None:
        """The business behind a Paybill, store or till number."""
        with self._lock:
            direct = self._businesses.get(number)
            return direct or next((b for b in self._businesses.values() if b.till == number), None)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    key, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise DarajaError(BAD_LOGIN, "Invalid Authentication passed")
    return key, secret
