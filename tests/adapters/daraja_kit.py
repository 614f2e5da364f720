"""What our Daraja adapter is tested with: the pretend company with one payer, and our adapter in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.adapters.http import Timeouts
from core.adapters.payments.daraja import Daraja, DarajaAccount
from core.adapters.tokens import LocalTokens
from core.clock import FrozenClock
from core.money import Money
from core.phone import Msisdn
from core.ports import Prompt
from sim.daraja import Daraja as PretendDaraja
from sim.http import Request
from sim.mobile_money import MobileMoney
from tests.adapters.our_side import OurSide

CALLER = Msisdn("+254712345678")
KEY, SECRET, PASSKEY = "c0nsumer-key-of-the-town", "c0nsumer-secret-of-the-town", "passkey0123456789abcdef"
PAYBILL, STORE, TILL = "600100", "600200", "5551234"
PUSH, QUERY, TOKEN = "/mpesa/stkpush/v1/processrequest", "/mpesa/stkpushquery/v1/query", "/oauth/v1/generate"
QUICK = Timeouts(connect_seconds=1.0, read_seconds=0.4, total_seconds=1.0)


class Town:
    """The pretend company with one payer, and our adapter in front of it."""

    def __init__(self, ours: OurSide) -> None:
        self.clock = FrozenClock()
        self.money = MobileMoney(self.clock.now)
        self.money.add_wallet(CALLER, balance_minor=1_000_00, names=("Asha", "", ""))
        self.company = PretendDaraja(self.money, self.clock.now).start()
        self.app = self.company.add_app(KEY, SECRET)
        self.company.add_short_code(PAYBILL, passkey=PASSKEY, consumer_key=KEY)
        self.company.add_short_code(STORE, passkey=PASSKEY, consumer_key=KEY, till=TILL)
        self.tokens: LocalTokens = LocalTokens()
        self.ours = ours
        self.account = DarajaAccount(KEY, SECRET, PAYBILL, PASSKEY, base_url=self.company.base_url)
        self.gateway = self.adapter()

    def adapter(self, **changes: str) -> Daraja:
        return Daraja(replace(self.account, **changes), self.tokens, self.clock, timeouts=QUICK)

    def prompt(self, price: str = "20", reference: str = "K7WXP3", description: str = "3 hours") -> Prompt:
        return Prompt(CALLER, Money.parse(price, "KES"), reference, description, self.ours.url("/cb"))

    def answer(self, pin: str = "1234") -> None:
        self.money.approve(self.money.wait_for_prompt(CALLER), pin)

    def news(self, path: str = "/cb", count: int = 1) -> list[bytes]:
        """The bytes that were posted to us."""
        return [request.body for request in self.ours.wait_for(path, count)]

    def calls(self, path: str) -> list[Request]:
        return [request for request in self.company.requests_seen if request.path == path]


@pytest.fixture
def town() -> Iterator[Town]:
    with OurSide() as ours:
        made = Town(ours)
        yield made
        made.company.stop()
        made.money.stop()
        assert not made.company.server.failures
