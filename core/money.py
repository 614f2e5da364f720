"""Money: whole minor units with a currency. Never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import total_ordering

from core.errors import Refusal

SCALE = {"KES": 2, "TZS": 2, "UGX": 0, "RWF": 0, "BDT": 2, "INR": 2, "NGN": 2, "GHS": 2, "ZMW": 2, "XOF": 0, "USD": 2}
"""Digits behind the decimal point (ISO 4217 exponents) of the currencies Duka sells in."""

SYMBOL = {"KES": "KES", "TZS": "TZS", "UGX": "UGX", "RWF": "RWF", "BDT": "BDT", "INR": "INR", "USD": "USD"}
AMOUNT_MINOR_MAX = 10**12


class BadAmount(Refusal):
    """This is not an amount of money."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount: `minor` whole units of the smallest coin of `currency` (ISO 4217)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise TypeError("money is counted in whole minor units")
        if self.currency not in SCALE:
            raise BadAmount(currency=self.currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read `20`, `20.00`, `1,500`, `KES 20`. Raises `BadAmount` for anything that is not exact."""
        bare = text.strip().removeprefix(currency).strip().replace(",", "").replace(" ", "")
        if len(bare) > 20 or not re.fullmatch(r"\d+(\.\d+)?", bare, re.ASCII):
            raise BadAmount(text=text[:40])
        try:
            scaled = Decimal(bare).scaleb(SCALE.get(currency, 2))
        except InvalidOperation as error:
            raise BadAmount(text=text[:40]) from error
        if scaled != scaled.to_integral_value() or scaled > AMOUNT_MINOR_MAX:
            raise BadAmount(text=text[:40])
        return cls(int(scaled), currency)

    @property
    def whole(self) -> int:
        """Whole units, rounded up: what a company that takes no cents has to be asked for."""
        unit: int = 10 ** SCALE[self.currency]
        return -(-self.minor // unit)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise BadAmount(have=self.currency, other=other.currency)

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor < other.minor

    def __str__(self) -> str:
        """`KES 20`, `KES 20.50`, `KES 1,500`: cents only when there are some."""
        digits = SCALE[self.currency]
        unit = 10**digits
        sign, minor = ("-", -self.minor) if self.minor < 0 else ("", self.minor)
        whole, rest = divmod(minor, unit)
        cents = f".{rest:0{digits}d}" if rest else ""
        return f"{SYMBOL.get(self.currency, self.currency)} {sign}{whole:,}{cents}"
