"""One text to many phones, in two statements: the rows and the promises to send them."""

from __future__ import annotations

from sqlalchemy import Select, literal, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core import outbox
from core.db import Instant, among
from core.messaging.actions import MESSAGES
from core.messaging.models import Message, OptOut
from core.roles import system_only
from core.tasks import SendMessage
from core.texts import parts, plain
from core.uow import UnitOfWork


@system_only
def queue_many(
    uow: UnitOfWork, recipients: Select[int, str, str], language: str, template: str, **facts: object
) -> int:
    """Queue `template` for every `(tenant id, key, MSISDN)` that `recipients` selects; once per key, blocked numbers left out."""
    text = plain(MESSAGES.say(language, template, **facts))
    dialect = uow.session.get_bind().dialect.name
    chosen = recipients.subquery("recipients")
    tenant_id, key, msisdn = chosen.columns
    blocked = select(OptOut.id).where(OptOut.tenant_id == tenant_id, OptOut.msisdn == msisdn, OptOut.blocked)
    columns = ["tenant_id", "key", "msisdn", "template", "text", "parts", "state", "created_at"]
    rows = select(
        tenant_id, key, msisdn, literal(template), literal(text), literal(parts(text)), literal("queued"),
        literal(uow.now, Instant()),
    ).where(~blocked.exists())  # fmt: skip
    statement = (postgres_insert if dialect == "postgresql" else sqlite_insert)(Message).from_select(columns, rows)
    uow.session.flush()
    queued = uow.connection.scalars(
        statement.on_conflict_do_nothing(index_elements=["tenant_id", "key"]).returning(Message.id)
    ).all()
    if queued:
        made = select(Message.tenant_id, Message.id).where(among(Message.id, queued, dialect))
        outbox.promise_each(uow.session, SendMessage, made, uow.now)
        uow.promised_now = True
    return len(queued)
