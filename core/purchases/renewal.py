"""What ends is bought again from the wallet, by the same way as every other purchase."""

from __future__ import annotations

from core import catalog, customers, ledger, messaging, subscriptions, tenants
from core.ledger import chart
from core.purchases.actions import buy_at
from core.purchases.models import Purchase
from core.roles import system_only
from core.uow import UnitOfWork


@system_only
def renew(uow: UnitOfWork, subscription_id: int) -> Purchase | None:
    """Buy the same package again, at today's price. Once per end; None when it is not wanted, not sold or not covered.

    Who has more time waiting needs none; who cannot be served is told so once.
    """
    row = subscriptions.subscription(uow, subscription_id)
    who = customers.customer(uow, row.customer_id)
    goes_on = [other for other in subscriptions.live(uow, who.id) if other.ends_at > row.ends_at]
    waiting = any(other.service == row.service and other.suspended_at is None for other in goes_on)
    if not who.auto_renews or row.closed_at is not None or row.suspended_reason == "operator" or waiting:
        return None
    package = catalog.package(uow, row.package_id)
    key = f"renewal:{row.id}:{int(row.ends_at.timestamp())}"
    tell = who.phone, who.language
    dial = tenants.settings_of(uow).dial
    try:
        price = catalog.quote(uow, package)
    except catalog.NotOnSale:
        messaging.notify(uow, key, *tell, "renewal_gone", package=package.name, dial=dial)
        return None
    balance = ledger.balance(uow, chart.wallet(who.id), price.currency)
    if balance < price:
        messaging.notify(
            uow, key, *tell, "renewal_short", package=package.name, balance=balance, price=price, dial=dial
        )
        return None
    return buy_at(uow, who, package, price, key=key, from_wallet=True)
