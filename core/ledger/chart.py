"""Names of accounts and reasons for transfers."""

from __future__ import annotations

from enum import Enum

REVENUE = "revenue"
SUSPENSE = "suspense"
VOUCHERS = "vouchers"
FEES = "fees"


def wallet(customer_id: int) -> str:
    """What we owe a customer in packages. Can never be overdrawn."""
    return f"wallet:{customer_id}"


def gateway(company: str) -> str:
    """What a payment company holds for us."""
    return f"gateway:{company}"


def cash(staff_id: int) -> str:
    """What a member of staff has in the till."""
    return f"cash:{staff_id}"


def is_guarded(name: str) -> bool:
    """May this account never fall below zero?"""
    return name.startswith("wallet:") or name == SUSPENSE


class Code(Enum):
    """Why money moved."""

    DEPOSIT = "deposit"
    PURCHASE = "purchase"
    VOUCHER = "voucher"
    CASH_IN = "cash-in"
    REFUND = "refund"
    CORRECTION = "correction"
    FEE = "fee"
