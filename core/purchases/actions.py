"""Every package leaves through the wallet: mobile money, voucher, cash and renewal are entrances to `complete`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, bindparam, or_, select

from core import catalog, customers, ledger, messaging, payments, subscriptions, tenants
from core.customers import Customer
from core.errors import Refusal
from core.ledger import Code, chart
from core.money import SCALE, Money
from core.payments import Arrival, Payment
from core.ports import NotPaid, Paid
from core.purchases.models import Purchase
from core.roles import SYSTEM, customers_may, system_only
from core.uow import OWN_TENANT, UnitOfWork

SAME_WISH_SECONDS = 60
"""Two orders for the same package this close together are one wish: the payer gets one prompt."""
UNLINKED_WINDOW = timedelta(hours=24)
"""Money that names no order (a Paybill payment) serves the newest order this young; older ones are forgotten wishes."""


class NoWayToPay(Refusal):
    """This ISP has no way to take money yet."""


class NoLine(Refusal):
    """This package is for a line that dials in, and the customer has none."""


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase and how it is being paid: `wallet` (done), `prompt` (PIN follows) or `paybill` (instructions follow).

    `due` is what is still to pay; `paybill` and `account` are for paying by hand.
    """

    purchase: Purchase
    way: str
    due: Money
    paybill: str
    account: str


@customers_may
def buy(
    uow: UnitOfWork,
    who: Customer,
    package: catalog.Package,
    *,
    key: str,
    shown: Money | None = None,
    network: str | None = None,
) -> Order:
    """Order `package` for `who`, once per key: from the wallet if that suffices, else by prompt, else by Paybill.

    `shown` is the price on the customer's screen; `network` (africastalking.md §5) tells whether a prompt can reach them.
    Raises `NotOnSale`, `PriceChanged`, `NoWayToPay`, and `NoLine` before anybody pays for what they cannot use.
    """
    if package.service == catalog.PPP and not customers.logins(uow, who.id):
        raise NoLine(name=package.name)
    known = _known(uow, who, package, key)
    price = catalog.quote(uow, package, shown) if known is None else known.price
    held = ledger.balance(uow, chart.wallet(who.id), price.currency)
    if tenants.settings_of(uow).daraja is None and held < price:
        raise NoWayToPay()
    order = known or _order(uow, who, package, price, key)
    if known is not None or held >= price:
        _as_system(uow, lambda: complete(uow, order))
        held = ledger.balance(uow, chart.wallet(who.id), price.currency)
    return _settle(uow, who, order, held, network or who.last_network)


@customers_may
def buy_at(
    uow: UnitOfWork, who: Customer, package: catalog.Package, price: Money, *, key: str, from_wallet: bool = False
) -> Purchase:
    """The purchase itself, once per key, at a price that was agreed before; `from_wallet` completes it at once."""
    order = uow.find(_BY_KEY, key=key).one_or_none() or _order(uow, who, package, price, key)
    if from_wallet:
        _as_system(uow, lambda: complete(uow, order))
    return order


def _order(uow: UnitOfWork, who: Customer, package: catalog.Package, price: Money, key: str) -> Purchase:
    order = uow.add(
        Purchase(
            customer_id=who.id, package_id=package.id, key=key, price_minor=price.minor, currency=price.currency,
            created_at=uow.now,
        )
    )  # fmt: skip
    uow.record("purchase.ordered", order, package=package.code, price=str(price))
    return order


def _as_system(uow: UnitOfWork, act: object) -> None:
    before, uow.actor = uow.actor, SYSTEM
    try:
        act()  # type: ignore[operator]
    finally:
        uow.actor = before


_OWN = Purchase.tenant_id == OWN_TENANT
_BY_KEY = select(Purchase).where(_OWN, Purchase.key == bindparam("key"))
_SAME_WISH = (
    select(Purchase)
    .where(
        _OWN,
        or_(
            Purchase.key == bindparam("key"),
            and_(
                Purchase.customer_id == bindparam("customer"),
                Purchase.package_id == bindparam("package"),
                Purchase.completed_at.is_(None),
                Purchase.cancelled_at.is_(None),
                Purchase.created_at > bindparam("since"),
            ),
        ),
    )
    .order_by((Purchase.key == bindparam("key")).desc(), Purchase.id.desc())
    .limit(1)
)


def _known(uow: UnitOfWork, who: Customer, package: catalog.Package, key: str) -> Purchase | None:
    """The order this key has led to; else the latest open one that is the same wish."""
    since = uow.now - timedelta(seconds=SAME_WISH_SECONDS)
    return uow.find(_SAME_WISH, key=key, customer=who.id, package=package.id, since=since).one_or_none()


def _settle(uow: UnitOfWork, who: Customer, order: Purchase, held: Money, network: str | None) -> Order:
    """Paid, or how to: asked for is what is missing beside the `held`, in whole units, because mobile money knows no cents."""
    settings = tenants.settings_of(uow)
    account, paybill = who.account_code, settings.paybill or ""
    if order.completed_at is not None:
        return Order(order, "wallet", Money(0, order.currency), paybill, account)
    due = Money((order.price - held).whole * 10 ** SCALE[order.currency], order.currency)
    if network is not None and network not in settings.stk_networks:
        return Order(order, "paybill", due, paybill, account)
    _as_system(
        uow, lambda: payments.ask(uow, who, purchase_id=order.id, amount=due, company="daraja", key=f"purchase:{order.id}")
    )  # fmt: skip
    return Order(order, "prompt", due, paybill, account)


@system_only
def money_arrived(uow: UnitOfWork, company: str, paid: Paid, *, code: str = "") -> Arrival:
    """Put arrived money in the payer's wallet, then hand over what was waiting for it."""
    arrival = payments.credit(uow, company, paid, code=code)
    _serve(uow, arrival)
    return arrival


def _serve(uow: UnitOfWork, arrival: Arrival) -> None:
    """Fresh money: the order it was meant for, however old; else the newest young one; else it is kept and said so."""
    customer_id, purchase_id = arrival.customer_id, arrival.purchase_id
    if not arrival.fresh or customer_id is None:
        return
    order = uow.by_id(Purchase, purchase_id) if purchase_id else None
    if order is None or order.completed_at is not None or order.cancelled_at is not None:
        order = uow.session.scalar(
            select(Purchase)
            .where(
                Purchase.customer_id == customer_id,
                Purchase.completed_at.is_(None),
                Purchase.cancelled_at.is_(None),
                Purchase.created_at > uow.now - UNLINKED_WINDOW,
            )
            .order_by(Purchase.id.desc())
            .limit(1)
        )
    if order is not None and complete(uow, order):
        return
    who = customers.customer(uow, customer_id)
    held = ledger.balance(uow, chart.wallet(customer_id), tenants.current(uow).currency)
    messaging.notify(
        uow, f"kept:{arrival.deposit_id}", who.phone, who.language,
        "money_kept", balance=held,
    )  # fmt: skip


_LOCKED = (
    select(Purchase)
    .where(Purchase.tenant_id == OWN_TENANT, Purchase.id == bindparam("purchase"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


@system_only
def complete(uow: UnitOfWork, order: Purchase) -> bool:
    """Take the price from the wallet and hand over the package, in one breath. False while the wallet does not cover it."""
    uow.find(_LOCKED, purchase=order.id).one()
    wallet = chart.wallet(order.customer_id)
    if order.completed_at is not None or not ledger.covers(uow, wallet, order.price):
        return order.completed_at is not None
    if order.price.minor:
        ledger.transfer(
            uow, key=f"purchase:{order.id}", code=Code.PURCHASE, debit=wallet, credit=chart.REVENUE, amount=order.price
        )
    package = catalog.package(uow, order.package_id)
    time = subscriptions.grant(uow, customer_id=order.customer_id, package=package, purchase_id=order.id)
    order.completed_at = uow.now
    who, tenant = customers.customer(uow, order.customer_id), tenants.current(uow)
    connected = package.service == catalog.PPP or customers.has_device(uow, who.id)
    template = "bought" if connected else "bought_no_device"
    until = time.ends_at.astimezone(tenants.zone(tenant)).strftime("%d.%m. %H:%M")
    messaging.notify(
        uow, f"receipt:{order.id}", who.phone, who.language, template, package=package.name, price=order.price,
        until=until, shop=tenant.name, account=who.account_code,
    )  # fmt: skip
    uow.record("purchase.completed", order, package=package.code)
    return True


@system_only
def not_paid(uow: UnitOfWork, company: str, outcome: NotPaid, *, code: str = "") -> Payment | None:
    """The company says a prompt brought no money: tell the customer once what to do. The order goes on waiting."""
    payment = payments.not_paid(uow, company, outcome, code)
    if payment is not None:
        _tell_not_paid(uow, payment, outcome.why)
    return payment


@system_only
def prompt_refused(uow: UnitOfWork, payment_id: int, code: str, message: str) -> None:
    """The company will not ask this phone at all: tell the customer how to pay by hand."""
    payment = payments.prompt_refused(uow, payment_id, code, message)
    _tell_not_paid(uow, payment, "other")


def _tell_not_paid(uow: UnitOfWork, payment: Payment, why: str) -> None:
    who = customers.customer(uow, payment.customer_id)
    template = f"not_paid_{why}" if f"not_paid_{why}" in messaging.MESSAGES.keys() else "not_paid_other"  # noqa: SIM118
    messaging.notify(
        uow, f"not_paid:{payment.id}", who.phone, who.language, template, amount=payment.amount,
        paybill=tenants.settings_of(uow).paybill or "", account=who.account_code,
    )  # fmt: skip


@system_only
def ask_again(uow: UnitOfWork, payment: Payment) -> Payment | None:
    """A worker died between taking a prompt and hearing the answer, and nothing has come since: ask once more.

    The first prompt, if it ever reached the phone, has expired by now; its money would still be honoured.
    """
    order = uow.session.get_one(Purchase, payment.purchase_id)
    if order.completed_at is not None or order.cancelled_at is not None or payment.key.endswith(":again"):
        return None
    who = customers.customer(uow, payment.customer_id)
    return payments.ask(
        uow, who, purchase_id=order.id, amount=payment.amount, company=payment.company, key=f"{payment.key}:again"
    )


@customers_may
def claim(uow: UnitOfWork, who: Customer, receipt_no: str) -> bool:
    """A customer names a receipt: take it out of suspense and serve what waits. True when they have access now."""
    arrival = payments.claim(uow, who, receipt_no)
    _as_system(uow, lambda: _serve(uow, arrival))
    return subscriptions.running(uow, who.id) is not None


@customers_may
def cancel(uow: UnitOfWork, order: Purchase) -> None:
    """The customer does not want it any more. Money that still comes stays in the wallet."""
    if order.completed_at is None and order.cancelled_at is None:
        order.cancelled_at = uow.now
        uow.record("purchase.cancelled", order)


@customers_may
def purchase(uow: UnitOfWork, purchase_id: int) -> Purchase:
    """A purchase by id."""
    return uow.session.get_one(Purchase, purchase_id)


_LAST_PACKAGE = (
    select(Purchase.package_id)
    .where(
        Purchase.tenant_id == OWN_TENANT,
        Purchase.customer_id == bindparam("customer"),
        Purchase.completed_at.is_not(None),
    )
    .order_by(Purchase.completed_at.desc(), Purchase.id.desc())
    .limit(1)
)


@customers_may
def last_package(uow: UnitOfWork, customer_id: int) -> int | None:
    """The id of the package this customer bought last, if any."""
    row = uow.run(_LAST_PACKAGE, customer=customer_id).first()
    return None if row is None else row.package_id


@customers_may
def last_completed(uow: UnitOfWork, customer_id: int) -> Purchase | None:
    """What this customer bought last, for renewing in one key press."""
    return uow.session.scalar(
        select(Purchase)
        .where(Purchase.customer_id == customer_id, Purchase.completed_at.is_not(None))
        .order_by(Purchase.completed_at.desc(), Purchase.id.desc())
        .limit(1)
    )
