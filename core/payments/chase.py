"""Payments nobody looks after any more: the net under the promises themselves."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Select, select

from core import inbox, outbox
from core.payments.models import Payment
from core.roles import system_only
from core.tasks import CheckPayment, Digest, PromptPayment, Task
from core.uow import UnitOfWork

GRACE = timedelta(minutes=2)
AGE_MAX = timedelta(days=1)


@system_only
def chase(uow: UnitOfWork) -> int:
    """Promise a check for unanswered prompts, a prompt for payments never asked, and a reading for messages never understood."""
    young, settled = Payment.asked_at > uow.now - AGE_MAX, Payment.asked_at < uow.now - GRACE
    unpaid = select(Payment.tenant_id, Payment.id).where(Payment.paid_at.is_(None), young, settled)
    unread = select(inbox.Inbound.tenant_id, inbox.Inbound.id).where(
        inbox.Inbound.digested_at.is_(None), inbox.Inbound.received_at < uow.now - GRACE
    )
    return (
        _promise(uow, CheckPayment, "payment_id", unpaid.where(Payment.request_id.is_not(None)))
        + _promise(uow, PromptPayment, "payment_id", unpaid.where(Payment.prompted_at.is_(None)))
        + _promise(uow, Digest, "inbound_id", unread)
    )


def _promise(uow: UnitOfWork, kind: type[Task], field: str, rows: Select[int, int]) -> int:
    found = rows.subquery()
    tenant_id, subject_id = found.columns
    owed = outbox.owed(kind, field, subject_id)
    count = outbox.promise_each(uow.session, kind, select(tenant_id, subject_id).where(~owed), uow.now)
    uow.promised_now = uow.promised_now or count > 0
    return count
