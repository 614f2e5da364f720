"""Vouchers typed on a router's own login page, where nobody but RADIUS hears of them (decision 0022).

Two steps. RADIUS claims: one conditional UPDATE binds the voucher to the device, and promises the rest. The promise redeems,
as every other door does. FreeRADIUS claims by the function `duka_claim_voucher` (core/data/duka_authorize.sql), which says the
same words for the same reasons; the parity suite asks both.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, cast

from sqlalchemy import CursorResult, delete, func, or_, select, update

from core import catalog, codes, customers, subscriptions
from core.catalog import MAC
from core.customers import Customer, DeviceTaken
from core.roles import system_only
from core.tasks import RedeemClaim
from core.uow import UnitOfWork
from core.vouchers.actions import TRIES_MAX, TRIES_WINDOW, digest_of, spend
from core.vouchers.models import Guess, Voucher

ROUTER_GUESSES_MAX = 200
"""Wrong codes within `TRIES_WINDOW` at one router: a device changes its address more easily than its place."""
CLAIM_WINDOW = timedelta(minutes=15)
"""A promise takes a second. One that is not kept after so long needs a person, and lets nobody in until then."""
TAKEOVER_TRIES = 3

Verdict = Literal[
    "claimed",
    "own",
    "unknown_voucher",
    "voucher_used",
    "voucher_expired",
    "voucher_stuck",
    "wrong_service",
    "too_many_codes",
]
"""`claimed`: let in for a moment, the rest follows. `own`: redeemed for this very device before, whose rows decide. The
others are reasons of docs/radius-policy.md."""


@system_only
def claim(uow: UnitOfWork, typed: str, mac: str, router_id: int) -> Verdict:
    """What becomes of a code typed at a router by the device with this MAC (as RADIUS keys it). Promises `RedeemClaim`, once.

    The caller commits whatever is said: a wrong code is a fact.
    """
    if _guesses_too_much(uow, mac, router_id):
        return "too_many_codes"
    digest = digest_of(codes.normalise(typed))
    of_devices = select(catalog.Package.id).where(catalog.Package.service == MAC)
    won = uow.session.scalar(
        update(Voucher)
        .where(
            Voucher.tenant_id == uow.tenant, Voucher.digest == digest, Voucher.claimed_at.is_(None),
            Voucher.redeemed_at.is_(None), Voucher.voided_at.is_(None),
            or_(Voucher.expires_at.is_(None), Voucher.expires_at > uow.now), Voucher.package_id.in_(of_devices),
        )
        .values(claimed_at=uow.now, claimed_by=mac)
        .returning(Voucher.id)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    if won is not None:
        uow.record("voucher.claimed", uow.session.get_one(Voucher, won), mac=mac, router=router_id)
        uow.later(RedeemClaim(won))
        return "claimed"
    known = uow.session.scalar(select(Voucher).where(Voucher.digest == digest))
    if known is None:
        uow.add(Guess(router_id=router_id, mac=mac, at=uow.now))
        return "unknown_voucher"
    return _why_not(uow, known, mac)


def _why_not(uow: UnitOfWork, voucher: Voucher, mac: str) -> Verdict:
    if voucher.claimed_by == mac and voucher.redeemed_at is not None:
        return "own"
    if voucher.claimed_by == mac and voucher.claimed_at is not None:
        return "claimed" if uow.now < voucher.claimed_at + CLAIM_WINDOW else "voucher_stuck"
    if voucher.claimed_at is not None or voucher.redeemed_at is not None:
        return "voucher_used"
    if voucher.voided_at is not None or (voucher.expires_at is not None and voucher.expires_at <= uow.now):
        return "voucher_expired"
    return "wrong_service"


def _guesses_too_much(uow: UnitOfWork, mac: str, router_id: int) -> bool:
    since = uow.now - TRIES_WINDOW
    many = select(func.count()).select_from(Guess).where(Guess.at > since)
    by_device = uow.session.scalar(many.where(Guess.mac == mac)) or 0
    return (
        by_device >= TRIES_MAX
        or (uow.session.scalar(many.where(Guess.router_id == router_id)) or 0) >= ROUTER_GUESSES_MAX
    )


@system_only
def redeem_claim(uow: UnitOfWork, voucher_id: int) -> None:
    """Give what a claimed voucher sells to whoever holds the device; to somebody nameless who holds it now, if nobody did."""
    voucher = uow.session.scalar(
        select(Voucher).where(Voucher.id == voucher_id).with_for_update().execution_options(populate_existing=True)
    )
    if voucher is None or voucher.claimed_by is None or voucher.redeemed_at is not None:
        return
    who = _holder(uow, voucher.claimed_by)
    spend(uow, voucher, who)
    running = subscriptions.running(uow, who.id)
    if running is not None:
        _newest(uow, who, voucher.claimed_by, running.device_limit)


def _holder(uow: UnitOfWork, mac: str) -> Customer:
    """Another door may give the device to somebody in the same moment."""
    made = None
    for _ in range(TAKEOVER_TRIES):
        held = customers.owner_of(uow, mac)
        if held is not None:
            return customers.customer(uow, held.customer_id)
        made = made or customers.nameless(uow)
        try:
            customers.add_device(uow, made, mac)
        except DeviceTaken:
            continue
        return made
    raise RuntimeError("a device changes hands faster than we can look")


def _newest(uow: UnitOfWork, who: Customer, mac: str, device_limit: int) -> None:
    """The newest devices of a customer may enter: this one is among them, for it is the one in the customer's hand."""
    held = customers.devices(uow, who.id)
    older = held[: max(0, len(held) - device_limit)]
    for device in older:
        if device.mac == mac:
            customers.move_device(uow, who, device, mac)


@system_only
def forget_guesses(uow: UnitOfWork) -> int:
    """Remove wrong codes that count no more; how many there were."""
    old = delete(Guess).where(Guess.at <= uow.now - TRIES_WINDOW).execution_options(synchronize_session=False)
    return int(cast("CursorResult[Any]", uow.session.execute(old)).rowcount)
