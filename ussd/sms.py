"""Texts that people send us, and the gateway's news that somebody wants none: read once, answered at most once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from core import customers, dialogs, inbox, messaging
from core.app import App
from core.phone import BadPhone, Msisdn
from core.roles import CUSTOMER, SYSTEM
from core.texts import SMS_PART_SEPTETS_MAX, clip, one_line, plain
from core.uow import UnitOfWork
from ussd import africastalking, keywords
from ussd.africastalking import BadPost, Form, Sms
from ussd.keywords import Chat
from ussd.shop import Shop, Shops

SOURCE = "africastalking-sms"
ANSWERS_PER_HOUR_MAX = 20
"""More texts than this from one number in an hour are a machine talking to a machine: silence ends that."""
REPLY_SEPTETS_MAX = 2 * SMS_PART_SEPTETS_MAX
IGNORED, ANSWERED = "ignored", "ok"

log = structlog.get_logger()


def received(app: App, shops: Shops, tenant_id: int, form: Form) -> str:
    """A text from a phone. One transaction: noted, understood, done, answered. Always accepted, or it would come again."""
    try:
        sms = africastalking.sms(form)
    except BadPost as error:
        log.warning("sms ignored", tenant_id=tenant_id, reason=str(error))
        return IGNORED
    with app.work(tenant_id) as uow:
        shop = shops.of(uow)
        msisdn = _person(shop, sms)
        if msisdn is None:
            log.info("sms ignored", tenant_id=tenant_id, reason="the sender is no phone that could read an answer")
            return IGNORED
        asked = keywords.understand(sms.text)
        inbound_id = inbox.receive(uow, SOURCE, sms.id, _noted(sms, asked), peer=msisdn.masked)
        if inbound_id is None:
            return ANSWERED
        if _count(uow, msisdn) > ANSWERS_PER_HOUR_MAX and asked.verb != "stop":
            verdict = "silence: too many texts in an hour"
        else:
            verdict = asked.verb
            _answer(uow, shop, sms, msisdn, asked)
        noted = inbox.read(uow, inbound_id)
        assert noted is not None
        inbox.digested(uow, noted, verdict)
    log.info("sms", tenant_id=tenant_id, msisdn=msisdn.masked, verdict=verdict)
    return ANSWERED


def _person(shop: Shop, sms: Sms) -> Msisdn | None:
    """The sender, if it is somebody's phone: not a name, not a short code, not ourselves."""
    if sms.sender.lower() in shop.senders:
        return None
    try:
        return africastalking.number(sms.sender, shop.country)
    except BadPhone:
        return None


def _count(uow: UnitOfWork, msisdn: Msisdn) -> int:
    """How many texts this number has sent within the hour, this one included. Its row makes them wait for each other."""
    hour = dialogs.open_(uow, f"sms:{msisdn}:{uow.now:%Y%m%d%H}", msisdn, life_seconds=dialogs.SMS_LIFE_SECONDS)
    hour.steps, hour.outcome = hour.steps + 1, dialogs.SMS
    dialogs.keep(uow, hour)
    return hour.steps


def _noted(sms: Sms, asked: keywords.Asked) -> bytes:
    """What is kept of a text: who, where to, what; a voucher code is worth money and is not kept."""
    text = f"{asked.keyword} ***".strip() if asked.verb == "voucher" else one_line(sms.text, 160)
    return json.dumps({"to": sms.to, "text": text, "network": sms.network}).encode()


def _answer(uow: UnitOfWork, shop: Shop, sms: Sms, msisdn: Msisdn, asked: keywords.Asked) -> None:
    known = customers.by_phone(uow, msisdn)
    language = known.language if known is not None else asked.language or shop.language
    with _as_customer(uow):
        chat = Chat(uow, shop, sms, msisdn, language, known)
        text = keywords.obey(chat, asked)
        if text:
            key = f"sms:{sms.id}" if asked.verb != "unknown" else f"unknown:{msisdn}:{uow.now:%Y%m%d%H}"
            messaging.reply(uow, key, msisdn, clip(plain(text), REPLY_SEPTETS_MAX), link_id=sms.link_id)


@contextmanager
def _as_customer(uow: UnitOfWork) -> Iterator[None]:
    """The post is the company's, what it asks is the customer's."""
    uow.actor = CUSTOMER
    try:
        yield
    finally:
        uow.actor = SYSTEM


def opted_out(app: App, shops: Shops, tenant_id: int, form: Form) -> str:
    """The gateway will pass nothing of ours on to this number any more. Opt-outs are per sender (africastalking.md §3.4)."""
    sender = one_line(form.get("senderId", ""), 20)
    with app.work(tenant_id) as uow:
        shop = shops.of(uow)
        try:
            msisdn = africastalking.number(form.get("phoneNumber", ""), shop.country)
        except BadPhone:
            log.warning("opt-out ignored", tenant_id=tenant_id, reason="no phone number")
            return IGNORED
        ours = not sender or shop.sender_id is None or sender.lower() in shop.senders
        if ours:
            messaging.opt_out(uow, msisdn, f"gateway opt-out from {sender or 'us'}", blocked=True)
    log.info("opt-out", tenant_id=tenant_id, msisdn=msisdn.masked, sender=sender, ours=ours)
    return ANSWERED
