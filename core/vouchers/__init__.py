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
from core.vouchers.models import Voucher

__all__ = ["TooManyTries", "UnknownVoucher", "Voucher", "VoucherExpired", "VoucherUsed", "issue", "redeem", "void"]
