"""What every purchase story must end with."""

from __future__ import annotations

from core import purchases
from tests.town import CALLER, Town


def assert_served_once(
    town: Town, *, revenue_minor: int = 2000, prompts: int = 1, msisdn: str = CALLER, wallet_minor: int = 0
) -> None:
    """Books at zero, revenue exact, one subscription, one completed purchase, one prompt, one receipt, nothing owed."""
    totals = town.totals()
    assert sum(totals.values()) == 0
    assert totals.get("revenue", 0) == revenue_minor
    assert totals.get("wallets", 0) == wallet_minor
    assert len(town.subscriptions(msisdn)) == 1
    with town.app.work(town.shop.tenant_id) as uow:
        completed = [row for row in uow.session.query(purchases.Purchase) if row.completed_at is not None]
    assert len(completed) == 1
    assert len(town.daraja.prompts_for(msisdn)) == prompts
    receipts = [sms for sms in town.africastalking.inbox(msisdn) if "Paid" in sms.text]
    assert len(receipts) == 1
    town.pass_time(200, step_seconds=100)
    assert [
        (promise.kind, promise.last_error) for promise in town.open_promises() if promise.attempts or promise.parked_at
    ] == []
