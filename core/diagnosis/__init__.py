"""Why is somebody not online? What our records say, what routers say, and an ordered judgement over both."""

from core.diagnosis.actions import case_of
from core.diagnosis.case import Case, Name, Order, Place, Sight, Term
from core.diagnosis.judging import Check, cause, judge

__all__ = [
    "Case",
    "Check",
    "Name",
    "Order",
    "Place",
    "Sight",
    "Term",
    "case_of",
    "cause",
    "judge",
]
