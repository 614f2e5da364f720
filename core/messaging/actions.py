"""Telling customers things."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import bindparam, select

from core.messaging.models import Message, OptOut
from core.phone import Msisdn
from core.ports import Sms, SmsAccepted
from core.roles import Can, customers_may, requires, system_only
from core.tasks import SendMessage
from core.texts import catalogue, one_line, parts, plain
from core.uow import OWN_TENANT, UnitOfWork

MESSAGES = catalogue(Path(__file__).parent / "texts")
FINAL = ("delivered", "failed")
RANK = {"queued": 0, "accepted": 1, "sent": 2, "delivered": 3, "failed": 3}


@customers_may
def notify(
    uow: UnitOfWork, key: str, msisdn: Msisdn | None, language: str, template: str, **facts: object
) -> Message | None:
    """Text somebody once. None when `key` was used before, there is no number, or the gateway cannot reach it.

    Facts from outside are stripped of control characters and brought into GSM-7; money, times and codes are ours.
    """
    if msisdn is None or _known(uow, key) is not None:
        return None
    words = MESSAGES.say(language, template, **{name: one_line(str(value)) for name, value in facts.items()})
    return _queue(uow, key, msisdn, template, words, link_id=None)


@customers_may
def reply(uow: UnitOfWork, key: str, msisdn: Msisdn, text: str, *, link_id: str | None = None) -> Message | None:
    """Answer an SMS with text a door has composed. Once per key."""
    if _known(uow, key) is not None:
        return None
    return _queue(uow, key, msisdn, "reply", text, link_id=link_id)


_BY_KEY = select(Message.id).where(Message.tenant_id == OWN_TENANT, Message.key == bindparam("key"))
_BLOCKED = select(OptOut.id).where(OptOut.tenant_id == OWN_TENANT, OptOut.msisdn == bindparam("phone"), OptOut.blocked)


def _known(uow: UnitOfWork, key: str) -> int | None:
    return uow.run(_BY_KEY, key=key).scalar()


def _queue(uow: UnitOfWork, key: str, msisdn: Msisdn, template: str, words: str, link_id: str | None) -> Message | None:
    text = plain(words)
    blocked = uow.run(_BLOCKED, phone=msisdn).first()
    message = uow.add(
        Message(
            key=key, msisdn=msisdn, template=template, text=text, parts=parts(text), link_id=link_id,
            created_at=uow.now, state="failed" if blocked else "queued", reason="opted_out" if blocked else None,
            final_at=uow.now if blocked else None,
        )
    )  # fmt: skip
    if blocked:
        return None
    uow.later(SendMessage(message.id))
    return message


@system_only
def to_send(uow: UnitOfWork, message_id: int) -> Sms | None:
    """The text a promise is about, unless it has left already."""
    message = uow.by_id(Message, message_id)
    if message is None or message.state != "queued":
        return None
    return Sms(to=Msisdn(message.msisdn), text=message.text, link_id=message.link_id)


@system_only
def sent(uow: UnitOfWork, message_id: int, accepted: SmsAccepted) -> None:
    """The gateway took it."""
    message = uow.by_id(Message, message_id) or uow.session.get_one(Message, message_id)
    if message.state == "queued":
        message.state = "accepted"
    message.external_id = accepted.external_id
    message.cost_micro = accepted.cost_micro
    message.handed_over_at = uow.now


@system_only
def failed(uow: UnitOfWork, message_id: int, reason: str) -> None:
    """It will not arrive. `opted_out` also blocks the number for later texts."""
    message = uow.session.get_one(Message, message_id)
    if message.state in FINAL:
        return
    message.state, message.reason, message.final_at = "failed", reason, uow.now
    if reason == "opted_out":
        _block(uow, Msisdn(message.msisdn), "refused by the gateway")
    uow.record("message.failed", message, reason=reason)


@system_only
def keep_trying(uow: UnitOfWork, message_id: int) -> bool:
    """Is a text still worth sending? A receipt an hour late is; two days late it only confuses."""
    message = uow.by_id(Message, message_id)
    return message is not None and (uow.now - message.created_at).total_seconds() < 48 * 3600


@system_only
def delivered(uow: UnitOfWork, external_id: str, state: str, reason: str | None = None) -> bool:
    """A delivery report: `sent`, `delivered` or `failed`. Reports come doubled and in any order: state never moves back."""
    message = uow.session.scalar(select(Message).where(Message.external_id == external_id).with_for_update())
    if message is None or state not in RANK:
        return False
    if message.state in FINAL or RANK[state] <= RANK[message.state]:
        return True
    message.state = state
    if state in FINAL:
        message.final_at = uow.now
    if reason:
        message.reason = one_line(reason)
        if reason.lower() == "userinblacklist":
            _block(uow, Msisdn(message.msisdn), "delivery report")
    return True


def _opted_out(uow: UnitOfWork, msisdn: Msisdn) -> OptOut | None:
    return uow.session.scalar(select(OptOut).where(OptOut.msisdn == msisdn))


def _block(uow: UnitOfWork, msisdn: Msisdn, evidence: str) -> None:
    row = _opted_out(uow, msisdn) or uow.add(OptOut(msisdn=msisdn, evidence=evidence, at=uow.now))
    row.blocked = True


@customers_may
def opt_out(uow: UnitOfWork, msisdn: Msisdn, evidence: str, *, blocked: bool = False) -> bool:
    """No more marketing to this number; receipts and codes it asks for go on. False when it had opted out before.

    `blocked` is for the gateway's own opt-out, behind which nothing of ours gets through.
    """
    row = _opted_out(uow, msisdn)
    if row is not None:
        row.blocked = row.blocked or blocked
        return False
    uow.record(
        "message.opt_out", uow.add(OptOut(msisdn=msisdn, evidence=one_line(evidence, 160), at=uow.now, blocked=blocked))
    )
    return True


@customers_may
def opt_in(uow: UnitOfWork, msisdn: Msisdn) -> bool:
    """They want to hear from us again. False when they never opted out."""
    row = _opted_out(uow, msisdn)
    if row is None:
        return False
    uow.session.delete(row)
    uow.record("message.opt_in")
    return True


@customers_may
def may_market(uow: UnitOfWork, msisdn: Msisdn) -> bool:
    """May we send this number something it did not ask for?"""
    return _opted_out(uow, msisdn) is None


@requires(Can.SEE_CUSTOMERS)
def history(uow: UnitOfWork, msisdn: Msisdn, limit: int = 20) -> Sequence[Message]:
    """What this number was told, newest first."""
    return uow.session.scalars(
        select(Message)
        .where(Message.msisdn == msisdn)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(limit)
    ).all()
