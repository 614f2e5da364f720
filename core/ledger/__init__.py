"""The books: accounts and transfers, double entry, never edited, always summing to zero."""

from core.ledger import chart
from core.ledger.actions import (
    InsufficientFunds,
    KeyReused,
    balance,
    covers,
    statement,
    totals,
    transfer,
)
from core.ledger.chart import Code
from core.ledger.models import Account, Transfer

__all__ = [
    "Account",
    "Code",
    "InsufficientFunds",
    "KeyReused",
    "Transfer",
    "balance",
    "chart",
    "covers",
    "statement",
    "totals",
    "transfer",
]
