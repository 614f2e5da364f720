"""The books, deposits and whose they are, vouchers and prices."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from core import audit, catalog, ledger, messaging, outbox, payments, purchases, subscriptions, tenants, vouchers
from core.errors import NotAllowed
from core.ledger import Code, InsufficientFunds, KeyReused, chart
from core.money import Money
from core.phone import Msisdn
from core.ports import NotPaid, Paid, Prompted
from core.roles import CUSTOMER, SYSTEM, Actor
from core.uow import UnitOfWork
from tests.core.kit import CALLER, NEIGHBOUR, Shop, shillings


def deposit(uow: UnitOfWork, account: str, amount: Money, key: str = "d1") -> ledger.Transfer:
    return ledger.transfer(
        uow, key=key, code=Code.DEPOSIT, debit=chart.gateway("daraja"), credit=account, amount=amount
    )


def test_a_transfer_moves_money_once_however_often_it_is_asked_for(shop: Shop) -> None:
    wallet = chart.wallet(1)
    for _ in range(3):
        with shop.work() as uow:
            deposit(uow, wallet, shillings(20))
    with shop.work() as uow:
        assert ledger.balance(uow, wallet, "KES") == shillings(20)
        assert ledger.totals(uow) == {"gateway:daraja": -2000, "wallets": 2000}
        assert len(ledger.statement(uow, wallet, "KES")) == 1


def test_a_key_stands_for_one_transfer_only(shop: Shop) -> None:
    with shop.work() as uow:
        deposit(uow, chart.wallet(1), shillings(20))
        with pytest.raises(KeyReused):
            deposit(uow, chart.wallet(1), shillings(30))


def test_a_wallet_cannot_be_overdrawn_in_python_nor_in_sql(shop: Shop) -> None:
    with shop.work() as uow:
        deposit(uow, chart.wallet(1), shillings(20))
    with shop.work() as uow, pytest.raises(InsufficientFunds):
        ledger.transfer(
            uow, key="p", code=Code.PURCHASE, debit=chart.wallet(1), credit=chart.REVENUE, amount=shillings(21)
        )
    with pytest.raises(IntegrityError), shop.work() as uow:
        uow.session.execute(text("UPDATE account SET balance_minor = -1 WHERE name = 'wallet:1'"))


def test_two_spenders_of_one_wallet_cannot_both_win(shop: Shop) -> None:
    with shop.work() as uow:
        deposit(uow, chart.wallet(1), shillings(20))
    won: list[str] = []

    def spend(key: str) -> None:
        try:
            with shop.work() as uow:
                ledger.transfer(
                    uow, key=key, code=Code.PURCHASE, debit=chart.wallet(1), credit=chart.REVENUE, amount=shillings(20)
                )
            won.append(key)
        except InsufficientFunds:
            pass

    threads = [threading.Thread(target=spend, args=(f"k{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with shop.work() as uow:
        assert len(won) == 1
        assert ledger.totals(uow) == {"gateway:daraja": -2000, "revenue": 2000, "wallets": 0}


def test_only_those_who_may_see_the_books(shop: Shop) -> None:
    with shop.work(CUSTOMER) as uow, pytest.raises(NotAllowed):
        ledger.totals(uow)
    with shop.work(Actor.staff(1, "owner")) as uow:
        assert ledger.totals(uow) == {}


# ---- orders and deposits ---------------------------------------------------------------------------------------------


def prompted(shop: Shop, msisdn: str = CALLER) -> tuple[int, str]:
    """An order whose prompt is out: payment id and code."""
    with shop.work() as uow:
        package = catalog.by_code(uow, "3H") or shop.package(uow)
        order = purchases.buy(uow, shop.customer(uow, msisdn), package, key=f"ussd:{msisdn}")
        payment = payments.for_purchase(uow, order.purchase.id)
        assert payment is not None
    with shop.work() as uow:
        assert payments.begin_prompt(uow, payment.id) is not None
        assert payments.begin_prompt(uow, payment.id) is None
        payments.prompted(uow, payment.id, Prompted(f"ws_{msisdn}"))
    return payment.id, payment.code


def paid(receipt: str | None = "RA12345678", amount: int = 20, **facts: object) -> Paid:
    return Paid(receipt_no=receipt, amount=shillings(amount), **facts)  # type: ignore[arg-type]


def served(shop: Shop) -> bool:
    with shop.work() as uow:
        return subscriptions.running(uow, shop.customer(uow).id) is not None


@pytest.mark.parametrize(
    "facts",
    [
        {"request_id": f"ws_{CALLER}"},
        {"account": "code"},
        {"account": "account"},
        {"account": "0712 345 678"},
        {"account": "", "payer": Msisdn(CALLER)},
        {"account": "rent", "payer_hint": Msisdn(CALLER).sha256},
    ],
)
def test_a_deposit_finds_its_owner(shop: Shop, facts: dict[str, object]) -> None:
    _, code = prompted(shop)
    with shop.work() as uow:
        typed = {"code": f" {code[:4].lower()}-{code[4:]} ", "account": shop.customer(uow).account_code.lower()}
        facts = facts | ({"account": typed[str(facts["account"])]} if facts.get("account") in typed else {})
        assert purchases.money_arrived(uow, "daraja", paid(**facts)).fresh
    assert served(shop)


@pytest.mark.parametrize(
    "facts",
    [
        {"account": "nobody"},
        {"account": "", "payer_hint": "2547 ***** 678"},
        {"account": "A" * 400},
        {"account": "%s {0} ' --"},
        {"request_id": "ws_unknown", "payer": Msisdn(CALLER)},
        {"account": "", "payer": Msisdn(NEIGHBOUR)},
    ],
)
def test_what_nobody_owns_goes_to_suspense(shop: Shop, facts: dict[str, object]) -> None:
    prompted(shop)
    with shop.work() as uow:
        arrival = purchases.money_arrived(uow, "daraja", paid(**facts))
        assert (arrival.fresh, arrival.customer_id) == (True, None)
        assert ledger.totals(uow)["suspense"] == 2000
    assert not served(shop)


def test_the_same_receipt_by_three_ways_is_one_deposit(shop: Shop) -> None:
    payment_id, code = prompted(shop)
    for facts in (
        {"request_id": f"ws_{CALLER}"},
        {"account": code},
        {"request_id": f"ws_{CALLER}", "payer": Msisdn(CALLER)},
    ):
        with shop.work() as uow:
            purchases.money_arrived(uow, "daraja", paid(**facts))
    with shop.work() as uow:
        purchases.money_arrived(uow, "daraja", paid(receipt=None, request_id=f"ws_{CALLER}"))
        assert ledger.totals(uow) == {"gateway:daraja": -2000, "revenue": 2000, "wallets": 0}
        assert payments.to_check(uow, payment_id) is None


def test_a_receipt_fills_in_what_a_query_had_booked(shop: Shop) -> None:
    prompted(shop)
    with shop.work() as uow:
        assert purchases.money_arrived(uow, "daraja", paid(receipt=None, request_id=f"ws_{CALLER}")).fresh
    with shop.work() as uow:
        assert not purchases.money_arrived(uow, "daraja", paid(request_id=f"ws_{CALLER}")).fresh
        booked = payments.deposit_by_receipt(uow, "daraja", "RA12345678")
        assert booked is not None
        assert booked.customer_id == shop.customer(uow).id


def test_a_callback_with_another_amount_books_nothing_and_is_noted(shop: Shop) -> None:
    prompted(shop)
    with shop.work() as uow:
        arrival = purchases.money_arrived(uow, "daraja", paid(amount=500, request_id=f"ws_{CALLER}"))
        assert not arrival.fresh
        assert ledger.totals(uow) == {}
        events = uow.session.scalars(select(audit.AuditEntry.event)).all()
    assert "payment.amount_mismatch" in events
    assert not served(shop)


def test_too_little_by_hand_stays_in_the_wallet_until_there_is_enough(shop: Shop) -> None:
    prompted(shop)
    with shop.work() as uow:
        account = shop.customer(uow).account_code
        purchases.money_arrived(uow, "daraja", paid("RA1", 15, account=account))
    assert not served(shop)
    with shop.work() as uow:
        purchases.money_arrived(uow, "daraja", paid("RA2", 15, account=account))
        assert ledger.totals(uow)["wallets"] == 1000
    assert served(shop)


def test_a_no_is_told_once_and_comes_too_late_after_the_money(shop: Shop) -> None:
    prompted(shop)
    no = NotPaid(f"ws_{CALLER}", "cancelled", "1032")
    with shop.work() as uow:
        assert purchases.not_paid(uow, "daraja", no) is not None
        assert purchases.not_paid(uow, "daraja", no) is not None
        assert len(messaging.history(uow, Msisdn(CALLER))) == 1
        purchases.money_arrived(uow, "daraja", paid(request_id=f"ws_{CALLER}"))
        assert purchases.not_paid(uow, "daraja", no) is None
    assert served(shop)


def test_an_old_wish_is_not_served_by_money_that_names_no_order(shop: Shop) -> None:
    prompted(shop)
    shop.later(hours=25)
    with shop.work() as uow:
        purchases.money_arrived(uow, "daraja", paid(account=shop.customer(uow).account_code))
        assert ledger.totals(uow)["wallets"] == 2000
        (message,) = messaging.history(uow, Msisdn(CALLER))
        assert message.template == "money_kept"
    assert not served(shop)


def test_a_cancelled_order_keeps_its_money_in_the_wallet(shop: Shop) -> None:
    prompted(shop)
    with shop.work() as uow:
        order = uow.session.scalars(select(purchases.Purchase)).one()
        purchases.cancel(uow, order)
    with shop.work() as uow:
        purchases.money_arrived(uow, "daraja", paid(request_id=f"ws_{CALLER}"))
        assert ledger.totals(uow)["wallets"] == 2000


def test_a_receipt_is_given_only_to_the_number_it_fits(shop: Shop) -> None:
    with shop.work() as uow:
        purchases.money_arrived(uow, "daraja", paid(account="x", payer_hint="2547 ***** 678"))
        with pytest.raises(payments.NotYourReceipt):
            purchases.claim(uow, shop.customer(uow, NEIGHBOUR), "RA12345678")
        with pytest.raises(payments.NoSuchReceipt):
            purchases.claim(uow, shop.customer(uow), "RA00000000")
        purchases.claim(uow, shop.customer(uow), "RA12345678")
        purchases.claim(uow, shop.customer(uow), "RA12345678")
        assert ledger.totals(uow)["wallets"] == 2000
        with pytest.raises(payments.NotYourReceipt):
            purchases.claim(uow, shop.customer(uow, NEIGHBOUR), "RA12345678")


def test_one_key_is_one_order_and_one_request_for_money(shop: Shop) -> None:
    prompted(shop)
    prompted_again = [prompted_payment_count(shop) for _ in range(2)]
    assert prompted_again == [1, 1]


def prompted_payment_count(shop: Shop) -> int:
    with shop.work() as uow:
        package = catalog.by_code(uow, "3H")
        assert package is not None
        purchases.buy(uow, shop.customer(uow), package, key=f"ussd:{CALLER}")
        return len(uow.session.scalars(select(payments.Payment)).all())


def test_a_partly_filled_wallet_is_asked_for_the_rest_in_whole_shillings(shop: Shop) -> None:
    with shop.work() as uow:
        who = shop.customer(uow)
        deposit(uow, chart.wallet(who.id), Money(1250, "KES"))
        order = purchases.buy(uow, who, shop.package(uow), key="k")
        assert (order.way, order.due) == ("prompt", shillings(8))


def test_a_network_that_cannot_be_prompted_gets_instructions(shop: Shop) -> None:
    with shop.work() as uow:
        order = purchases.buy(uow, shop.customer(uow), shop.package(uow), key="k", network="63903")
        assert (order.way, order.paybill) == ("paybill", "600123")
        assert uow.session.scalars(select(payments.Payment)).all() == []


def test_an_isp_without_a_way_to_pay_takes_no_order(shop: Shop) -> None:
    with shop.work() as uow:
        tenants.change_settings(uow, tenants.TenantSettings())
        with pytest.raises(purchases.NoWayToPay):
            purchases.buy(uow, shop.customer(uow), shop.package(uow), key="k")
        assert uow.session.scalars(select(purchases.Purchase)).all() == []


# ---- prices ------------------------------------------------------------------------------------------------------------


def test_a_price_that_was_shown_is_honoured_for_ten_minutes(shop: Shop) -> None:
    with shop.work() as uow:
        package = shop.package(uow)
    shop.later(hours=1)
    with shop.work() as uow:
        catalog.reprice(uow, uow.session.merge(package), shillings(25))
    for minutes, honoured in ((9, True), (2, False)):
        shop.later(minutes=minutes)
        with shop.work() as uow:
            package = uow.session.get_one(catalog.Package, package.id)
            if honoured:
                assert catalog.quote(uow, package, shillings(20)) == shillings(20)
            else:
                with pytest.raises(catalog.PriceChanged):
                    catalog.quote(uow, package, shillings(20))
            assert catalog.quote(uow, package) == shillings(25)
            with pytest.raises(catalog.PriceChanged):
                catalog.quote(uow, package, shillings(1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "no spaces"}, {"code": ""}, {"name": "x" * 25}, {"name": "ไม่"}, {"name": " "}, {"duration_seconds": 0},
        {"quota_bytes": 0}, {"upload_kbps": 5}, {"price": shillings(-1)}, {"device_limit": 0}, {"duration_seconds": 10**9},
    ],
)  # fmt: skip
def test_what_customers_could_not_use_is_not_published(shop: Shop, wrong: dict[str, object]) -> None:
    good = {"code": "A", "name": "a", "price": shillings(5), "duration_seconds": 60}
    with shop.work() as uow, pytest.raises(catalog.BadPackage):
        catalog.publish(uow, **(good | wrong))  # type: ignore[arg-type]


# ---- vouchers ----------------------------------------------------------------------------------------------------------


def test_a_voucher_is_worth_its_package_once(shop: Shop) -> None:
    with shop.work() as uow:
        code = vouchers.issue(uow, shop.package(uow))
    for _ in range(3):
        with shop.work(CUSTOMER) as uow:
            vouchers.redeem(uow, shop.customer(uow), f" {code[:5].lower()} {code[5:]} ")
    with shop.work() as uow:
        assert ledger.totals(uow) == {"revenue": 2000, "vouchers": -2000, "wallets": 0}
        assert len(uow.session.scalars(select(subscriptions.Grant)).all()) == 1
        with pytest.raises(vouchers.VoucherUsed):
            vouchers.redeem(uow, shop.customer(uow, NEIGHBOUR), code)


def test_a_voucher_void_or_out_of_date_is_worth_nothing(shop: Shop) -> None:
    with shop.work() as uow:
        package = shop.package(uow)
        old = vouchers.issue(uow, package, expires_at=uow.now)
        voided = vouchers.issue(uow, package)
        vouchers.void(uow, uow.session.scalars(select(vouchers.Voucher).order_by(vouchers.Voucher.id.desc())).first())  # type: ignore[arg-type]
        for code in (old, voided):
            with pytest.raises(vouchers.VoucherExpired):
                vouchers.redeem(uow, shop.customer(uow), code)


def test_guessing_codes_ends_after_ten_tries_an_hour(shop: Shop) -> None:
    with shop.work() as uow:
        code = vouchers.issue(uow, shop.package(uow))
    for _ in range(10):
        with shop.work(CUSTOMER) as uow, pytest.raises(vouchers.UnknownVoucher):
            vouchers.redeem(uow, shop.customer(uow), "0000000000")
    with shop.work(CUSTOMER) as uow, pytest.raises(vouchers.TooManyTries):
        vouchers.redeem(uow, shop.customer(uow), code)
    shop.later(minutes=61)
    with shop.work(CUSTOMER) as uow:
        assert vouchers.redeem(uow, shop.customer(uow), code).completed_at is not None


def test_customers_cannot_print_vouchers(shop: Shop) -> None:
    with shop.work() as uow:
        package = shop.package(uow)
    with shop.work(Actor.staff(1, "cashier")) as uow, pytest.raises(NotAllowed):
        vouchers.issue(uow, package)


def test_everything_owed_is_written_with_its_cause(shop: Shop) -> None:
    with shop.work(SYSTEM) as uow:
        code = vouchers.issue(uow, shop.package(uow))
        vouchers.redeem(uow, shop.customer(uow), code)
        kinds = sorted(row.kind for row in uow.session.scalars(select(outbox.Promise)))
    assert kinds == ["SendMessage", "SyncAccess"]
    with pytest.raises(RuntimeError):
        redeem_and_die(shop)
    with shop.work() as uow:
        assert len(uow.session.scalars(select(outbox.Promise)).all()) == 2


def redeem_and_die(shop: Shop) -> None:
    with shop.work() as uow:
        package = uow.session.scalars(select(catalog.Package)).one()
        vouchers.redeem(uow, shop.customer(uow), vouchers.issue(uow, package))
        raise RuntimeError("the process dies here")
