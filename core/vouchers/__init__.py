"""Codes that stand for a package."""

from core.vouchers.actions import (
    TooManyTries,
    UnknownVoucher,
    VoucherExpired,
    VoucherUsed,
    issue,
    redeem,
    void,
)
from core.vouchers.claims import CLAIM_WINDOW, ROUTER_GUESSES_MAX, claim, forget_guesses, redeem_claim
from core.vouchers.models import Guess, Voucher

__all__ = [
    "CLAIM_WINDOW",
    "ROUTER_GUESSES_MAX",
    "Guess",
    "TooManyTries",
    "UnknownVoucher",
    "Voucher",
    "VoucherExpired",
    "VoucherUsed",
    "claim",
    "forget_guesses",
    "issue",
    "redeem",
    "redeem_claim",
    "void",
]
