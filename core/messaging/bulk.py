"""One text to many phones, in two statements: the rows and the promises to send them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core import outbox
from core.db import NOW, listed, packed
from core.messaging.actions import MESSAGES
from core.messaging.models import Message, OptOut
from core.roles import system_only
from core.tasks import SendMessage
from core.texts import parts, plain
from core.uow import UnitOfWork

_WORDS = tuple(bindparam(column.key, type_=column.type) for column in (Message.template, Message.text, Message.parts))


@system_only
def queue_many(
    uow: UnitOfWork,
    recipients: Select[int, str, str],
    values: dict[str, Any],
    language: str,
    template: str,
    **facts: object,
) -> int:
    """Queue `template` for every `(tenant id, key, MSISDN)` that `recipients` selects; once per key, blocked numbers left out.

    `values` are parameters of `recipients`, which is built once.
    """
    words = plain(MESSAGES.say(language, template, **facts))
    dialect = uow.session.get_bind().dialect.name
    told = {"template": template, "text": words, "parts": parts(words), "now": uow.now}
    uow.session.flush()
    queued = uow.connection.scalars(_queueing(recipients, dialect), values | told).all()
    if queued:
        outbox.promise_each(uow.session, SendMessage, _made(dialect), uow.now, messages=packed(queued, dialect))
        uow.promised_now = True
    return len(queued)


@lru_cache(maxsize=64)
def _queueing(recipients: Select[int, str, str], dialect: str) -> Any:
    tenant_id, key, msisdn = recipients.subquery("recipients").columns
    blocked = select(OptOut.id).where(OptOut.tenant_id == tenant_id, OptOut.msisdn == msisdn, OptOut.blocked)
    columns = ["tenant_id", "key", "msisdn", "template", "text", "parts", "state", "created_at"]
    rows = select(tenant_id, key, msisdn, *_WORDS, literal("queued"), NOW).where(~blocked.exists())
    statement = (postgres_insert if dialect == "postgresql" else sqlite_insert)(Message).from_select(columns, rows)
    return statement.on_conflict_do_nothing(index_elements=["tenant_id", "key"]).returning(Message.id)


@lru_cache(maxsize=2)
def _made(dialect: str) -> Select[int, int]:
    return select(Message.tenant_id, Message.id).where(listed(Message.id, bindparam("messages"), dialect))
