"""Safaricom's numbers for how a prompt ended (reference payments.md §1.2)."""

from __future__ import annotations

from sim.mobile_money import Outcome

ResultCode = int | str

PAID = 0
REPEATED = 17
NO_ANSWER = 1037
CANCELLED = 1032
WRONG_PAIR = 2028

CODES: dict[Outcome, ResultCode] = {
    Outcome.PAID: PAID,
    Outcome.NO_FUNDS: 1,
    Outcome.BELOW_MINIMUM: 2,
    Outcome.ABOVE_MAXIMUM: 3,
    Outcome.DAY_LIMIT: 4,
    Outcome.BUSINESS_FULL: 8,
    Outcome.LINE_BUSY: 1001,
    Outcome.EXPIRED: 1019,
    Outcome.PUSH_FAILED: 1025,
    Outcome.CANCELLED: CANCELLED,
    Outcome.NO_ANSWER: NO_ANSWER,
    Outcome.UNREACHABLE: NO_ANSWER,
    Outcome.WRONG_PIN: 2001,
    Outcome.PIN_LOCKED: 8006,
    Outcome.NOT_SENT: 9999,
}

WORDS: dict[ResultCode, str] = {
    0: "The service request is processed successfully.",
    1: "The balance is insufficient for the transaction.",
    2: "Declined due to limit rule: less than the minimum transaction amount.",
    3: "Declined due to limit rule: greater than the maximum transaction amount.",
    4: "Declined due to limit rule: would exceed daily transfer limit.",
    8: "Declined due to limit rule: would exceed the maximum balance.",
    17: "Rule limited.",
    1001: "Unable to lock subscriber, a transaction is already in process for the current subscriber.",
    1019: "Transaction has expired.",
    1025: "An error occurred while sending a push request.",
    1032: "Request cancelled by user.",
    1037: "DS timeout user cannot be reached.",
    2001: "The initiator information is invalid.",
    2028: "The request is not permitted according to product assignment.",
    "SFC_IC0003": "The operator does not exist.",
    8006: "The security credential is locked.",
    9999: "An error occurred while sending a push request.",
}
