"""Routers' configurations as they were: kept sealed, the same one once, so many of each router, and what differs between two."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, delete, select

from core import outbox, tenants
from core.errors import Refusal
from core.network.models import Backup, Router
from core.roles import Can, requires, system_only
from core.tasks import BackUp
from core.texts import one_line
from core.uow import UnitOfWork

NIGHTLY = timedelta(hours=22)
BACKUP_BYTES_MAX = 4 << 20
_OF_THE_MOMENT = re.compile(r"^# .*by RouterOS", re.MULTILINE)
"""The line that says when the export was made."""
_SECRET = re.compile(
    r"""(?ix) ( (?:[a-z0-9-]*-)? (?:password|passphrase|secret|private-key|preshared-key|key|psk) ) = ("(?:\\.|[^"\\])*" | \S+)"""
)


class NoSuchBackup(Refusal):
    """There is no such backup of this router."""


class BackupTooLong(Refusal):
    """This is more than a router's configuration can be."""


@system_only
def keep_backup(uow: UnitOfWork, what: Router, content: str) -> Backup:
    """Keep what a router exported. When nothing has changed since the last time, that one is dated anew instead."""
    if len(content.encode()) > BACKUP_BYTES_MAX:
        raise BackupTooLong(router=what.name)
    digest = hashlib.sha256(_timeless(content).encode()).hexdigest()
    last = uow.session.scalar(_of(what).limit(1))
    if last is not None and last.digest == digest:
        last.taken_at = uow.now
        return last
    made = uow.add(
        Backup(
            router_id=what.id, taken_at=uow.now, board=what.board, version=one_line(what.version, 40), content=content,
            digest=digest,
        )
    )  # fmt: skip
    uow.record("router.backed_up", what, backup=made.id)
    kept = uow.session.scalars(_ids(what).limit(tenants.settings_of(uow).backups_kept)).all()
    uow.session.execute(delete(Backup).where(Backup.router_id == what.id, Backup.id.not_in(kept)))
    return made


@requires(Can.MANAGE_ROUTERS)
def backups_of(uow: UnitOfWork, what: Router) -> Sequence[Backup]:
    """All that are kept of this router, latest first."""
    return uow.session.scalars(_of(what)).all()


@requires(Can.MANAGE_ROUTERS)
def backup(uow: UnitOfWork, what: Router, number: int | None = None) -> Backup:
    """One of them, the latest without a number."""
    which = _of(what) if number is None else _of(what).where(Backup.id == number)
    found = uow.session.scalar(which.limit(1))
    if found is None:
        raise NoSuchBackup(router=what.name, number=number)
    return found


@system_only
def nightly(uow: UnitOfWork) -> int:
    """Promise a backup of every router that answers and has none of today. For visits of no tenant."""
    fresh = select(Backup.id).where(Backup.router_id == Router.id, Backup.taken_at > uow.now - NIGHTLY)
    owed = outbox.owed(BackUp, "router_id", Router.id)
    rows = select(Router.tenant_id, Router.id).where(
        Router.up_at.is_not(None), Router.down_since.is_(None), ~fresh.exists(), ~owed
    )
    count = outbox.promise_each(uow.session, BackUp, rows, uow.now, lane="router:")
    uow.promised_now = uow.promised_now or count > 0
    return count


def difference(old: Backup, new: Backup) -> list[str]:
    """What was taken away and what was added, as `diff -u` says it. Secrets are covered; one that differs still shows as a line."""
    names = (f"{old.id} {old.taken_at:%Y-%m-%d %H:%M}", f"{new.id} {new.taken_at:%Y-%m-%d %H:%M}")
    lines = difflib.unified_diff(
        _timeless(old.content).splitlines(), _timeless(new.content).splitlines(), *names, lineterm="", n=1
    )
    return [_SECRET.sub(r"\1=…", line) for line in lines]


def _of(what: Router) -> Select[Backup]:
    return select(Backup).where(Backup.router_id == what.id).order_by(Backup.taken_at.desc(), Backup.id.desc())


def _ids(what: Router) -> Select[int]:
    return _of(what).with_only_columns(Backup.id)


def _timeless(content: str) -> str:
    return "\n".join(line for line in content.splitlines() if not _OF_THE_MOMENT.match(line))
