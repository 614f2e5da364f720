"""Another package in the middle of a subscription: what counts on, and who is refused."""

from __future__ import annotations

import pytest

from core import subscriptions
from core.catalog import Package, Profile
from core.errors import Refusal
from core.rates import Speed
from core.roles import Actor
from core.subscriptions import Subscription
from tests.town import CALLER, Town

GIGA = 10**9


@pytest.fixture
def shop_town(town: Town) -> Town:
    """Somebody has bought 2 GB and used most of it."""
    who = town.customer()
    bought = town.package("2GB", quota_bytes=2 * GIGA)
    with town.app.work(town.shop.tenant_id) as uow:
        row = subscriptions.grant(uow, customer_id=who.id, package=bought, purchase_id=1)
        subscriptions.use(uow, row.id, 1_900_000_000)
    town.work_off()
    return town


def change(town: Town, package: Package, actor: Actor | None = None) -> Subscription:
    """The only subscription of the caller goes on with this package."""
    (before,) = town.subscriptions()
    with town.app.work(town.shop.tenant_id, *([actor] if actor else [])) as uow:
        subscriptions.change_package(uow, subscriptions.subscription(uow, before.id), package)
    (after,) = town.subscriptions()
    return after


def test_what_was_used_counts_and_the_time_stays(shop_town: Town) -> None:
    ends_at = shop_town.subscriptions(CALLER)[0].ends_at
    bigger = shop_town.package("5GB", quota_bytes=5 * GIGA, upload_kbps=8000, profile=Profile(grace_seconds=600))
    row = change(shop_town, bigger)
    assert (row.package_id, row.quota_bytes, row.used_bytes, row.upload_kbps) == (
        bigger.id,
        5 * GIGA,
        1_900_000_000,
        8000,
    )
    assert row.ends_at == ends_at
    assert (row.over_at - row.ends_at).total_seconds() == 600
    assert row.suspended_at is None


def test_a_smaller_package_that_is_used_up_already_cuts_off_and_a_bigger_one_lets_on_again(shop_town: Town) -> None:
    row = change(shop_town, shop_town.package("1GB", quota_bytes=GIGA))
    assert row.suspended_reason == "data_limit"
    row = change(shop_town, shop_town.package("9GB", quota_bytes=9 * GIGA))
    assert (row.suspended_at, row.suspended_reason) == (None, None)


def test_fair_use_slows_down_instead(shop_town: Town) -> None:
    fair = shop_town.package("FAIR", quota_bytes=GIGA, profile=Profile(slow=Speed(128, 256)))
    row = change(shop_town, fair)
    assert row.slowed_at is not None
    assert row.suspended_at is None
    assert change(shop_town, shop_town.package("ALL")).slowed_at is None


def test_another_kind_of_access_and_people_without_the_right_are_refused(shop_town: Town) -> None:
    with pytest.raises(subscriptions.AnotherService):
        change(shop_town, shop_town.package("HOME", service="ppp"))
    with pytest.raises(Refusal):
        change(shop_town, shop_town.package("8GB", quota_bytes=8 * GIGA), Actor.staff(1, "cashier"))
    assert shop_town.subscriptions()[0].quota_bytes == 2 * GIGA
