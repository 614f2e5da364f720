"""Money on its way in: prompts we asked for, deposits that arrived, and whose they are."""

from core.payments.actions import (
    Arrival,
    NoSuchReceipt,
    NotYourReceipt,
    ask,
    begin_prompt,
    by_code,
    checked,
    claim,
    credit,
    deposit_by_receipt,
    for_purchase,
    in_suspense,
    not_paid,
    prompt_refused,
    prompted,
    to_check,
    unprompt,
)
from core.payments.chase import chase
from core.payments.models import Deposit, Payment

__all__ = [
    "Arrival",
    "Deposit",
    "NoSuchReceipt",
    "NotYourReceipt",
    "Payment",
    "ask",
    "begin_prompt",
    "by_code",
    "chase",
    "checked",
    "claim",
    "credit",
    "deposit_by_receipt",
    "for_purchase",
    "in_suspense",
    "not_paid",
    "prompt_refused",
    "prompted",
    "to_check",
    "unprompt",
]
