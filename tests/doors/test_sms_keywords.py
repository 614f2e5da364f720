"""SMS keywords: what people text, and what they get."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from core import catalog, purchases, vouchers
from core.codes import ALPHABET
from core.config import Settings
from core.inbox import Inbound
from core.money import Money
from core.ports import Paid
from core.texts import SMS_PART_SEPTETS_MAX, septets
from core.vouchers.actions import CODE_LENGTH
from tests.doors.ussd_kit import AIRTEL, LAPTOP, NEIGHBOUR, PAYBILL, TV, Stand, running_stand
from ussd.keywords import KEYWORDS, STOP_ALONE, VOUCHER_LENGTH, WALLET_SPEND_WHOLE_MAX, understand


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        yield stand


def voucher(stand: Stand) -> str:
    with stand.app.work(stand.tenant_id) as uow:
        return vouchers.issue(uow, catalog.on_sale(uow)[0])


# ---- understanding


@pytest.mark.parametrize(
    ("text", "verb", "rest"),
    [
        ("BUY 3H", "buy", ("3H",)),
        ("  buy   3h  ", "buy", ("3H",)),
        ("Buy: 3h!", "buy", ("3H",)),
        ("ＢＵＹ 3Ｈ", "buy", ("3H",)),
        ("nunua\n3h", "buy", ("3H",)),
        ("'BUY' \u201c3H\u201d", "buy", ("3H",)),
        ("bal.", "balance", ()),
        ("Salio?", "balance", ()),
        ("V abcd-efgh", "voucher", ("ABCD", "EFGH")),
        ("STOP", "stop", ()),
        ("stop!!!", "stop", ()),
        ("Stop sending me this", "stop", ("SENDING", "ME", "THIS")),
        ("quit", "stop", ()),
        ("quit smoking", "unknown", ("QUIT", "SMOKING")),
        ("ACHA", "stop", ()),
        ("SJK7H2XYZ1 Confirmed. Ksh20.00 sent to KIOSK on 20/11/26", "paid", ("SJK7H2XYZ1",)),
        ("SJK7H2XYZ1 imethibitishwa. Ksh20", "paid", ("SJK7H2XYZ1",)),
        ("", "unknown", ()),
        ("\x00\u202e🎉 ...", "unknown", ()),
        ("BUYING", "unknown", ("BUYING",)),
    ],
)
def test_what_a_text_wants(text: str, verb: str, rest: tuple[str, ...]) -> None:
    asked = understand(text)
    assert (asked.verb, asked.rest) == (verb, rest)


def test_a_bare_word_of_a_vouchers_shape_is_a_voucher(stand: Stand) -> None:
    assert VOUCHER_LENGTH == CODE_LENGTH
    stand.package()
    code = voucher(stand)
    assert understand(f"{code[:5]}-{code[5:]}".lower()).verb == "voucher"
    wrong = code[:-1] + next(sign for sign in ALPHABET if sign != code[-1])
    assert understand(wrong).verb == "unknown"


# ---- buying


def test_buy_asks_for_the_pin_and_gives_the_paybill(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    said = stand.text("buy 3h")
    account = stand.who().account_code  # type: ignore[union-attr]
    assert said == (
        f"Enter your M-Pesa PIN on the next prompt to pay KES 20. No prompt? Paybill {PAYBILL}, account {account}."
    )
    assert len(stand.owed("PromptPayment")) == 1
    assert len(stand.owed("SendMessage")) == 1


def test_buy_takes_the_name_too(stand: Stand) -> None:
    stand.package("3H", "20", 3, name="3 hours")
    stand.text("BUY 3 HOURS")
    assert len(stand.purchases()) == 1


def test_buy_alone_is_the_price_list(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.package("DAY", "50", 24)
    assert stand.text("BUY") == "3H: 3 hours KES 20\nDAY: 24 hours KES 50\nTo buy, text BUY and the code: BUY 3H"
    assert stand.who() is None


def test_a_long_price_list_stays_within_two_parts(stand: Stand) -> None:
    for number in range(40):
        stand.package(f"PACK{number:02d}", "250000", 3, name=f"A rather long name {number:02d}")
    said = stand.text("BUY")
    assert said is not None
    assert (septets(said) or 999) <= 2 * SMS_PART_SEPTETS_MAX
    assert said.startswith("PACK00: A rather long name 00 KES 250,000\n")


def test_an_unknown_package_is_named(stand: Stand) -> None:
    stand.package()
    assert stand.text("BUY MOON") == (
        "There is no package MOON. Text BUY for the prices. Help: 0700 000 000."
    )  # fmt: skip


def test_without_packages_buy_says_so(stand: Stand) -> None:
    assert stand.text("BUY") == "Kiosk Net: nothing is on sale right now."


def test_the_local_word_is_answered_in_the_local_language(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    assert stand.text("NUNUA 3H").startswith("Weka PIN ya M-Pesa")  # type: ignore[union-attr]
    assert stand.who().language == "sw"  # type: ignore[union-attr]
    assert stand.text("BAL").startswith("Huna kifurushi kwa sasa.")  # type: ignore[union-attr]


def test_a_known_customers_language_wins(stand: Stand) -> None:
    stand.customer(language="en")
    assert stand.text("SALIO").startswith("You have no package now.")  # type: ignore[union-attr]


def test_another_network_gets_the_paybill(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    said = stand.text("BUY 3H", networkCode=AIRTEL)
    assert said is not None
    assert said.startswith(f"3 hours: pay KES 20 to Paybill {PAYBILL}, account ")
    assert stand.told() == ["reply"]


def test_renew_buys_the_same_again(stand: Stand) -> None:
    stand.bought(stand.package("3H", "20", 3))
    assert stand.text("Renew").startswith("Enter your M-Pesa PIN")  # type: ignore[union-attr]
    assert len(stand.purchases()) == 2


def test_renew_without_a_past_points_to_the_prices(stand: Stand) -> None:
    assert stand.text("ongeza") == "Hakuna cha kuongeza. Tuma NUNUA kupata bei. Msaada: 0700 000 000."


def test_small_money_in_the_account_is_spent_and_the_receipt_is_the_answer(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.pay_in("20")
    assert stand.text("BUY 3H") is None
    assert stand.told() == ["bought_no_device"]
    assert stand.purchases()[0].completed_at is not None


def test_more_than_a_little_is_never_spent_by_sms_alone(stand: Stand) -> None:
    limit = WALLET_SPEND_WHOLE_MAX["KES"]
    stand.package("MORE", str(limit + 1), 3)
    stand.package("JUST", str(limit), 3)
    stand.pay_in("5000")
    assert stand.text("BUY MORE") == f"To spend KES {limit + 1} from your account, please dial *384*35711#"
    assert stand.purchases() == []
    assert stand.text("BUY JUST") is None
    assert len(stand.purchases()) == 1


def test_what_needs_a_pin_may_cost_anything(stand: Stand) -> None:
    stand.package("MONTH", "2500", 720)
    assert "to pay KES 2,500." in str(stand.text("BUY MONTH"))


def test_an_isp_without_payments_says_so(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.configure(daraja=None)
    assert stand.text("BUY 3H") == "We cannot take payments yet. Help: 0700 000 000."


# ---- balance, vouchers, devices


def test_balance(stand: Stand) -> None:
    stand.bought(stand.package("GB", "100", 24, quota_bytes=500_000_000))
    stand.pay_in("30")
    account = stand.who().account_code  # type: ignore[union-attr]
    assert stand.text("BAL") == (
        f"1d and 500MB left, until 21.11. 12:00\nAccount: KES 30\nPaybill {PAYBILL}, account {account}"
    )


@pytest.mark.parametrize("form", ["V {0}", "voucher {0}", "vocha{1}{0}", "{0}", "{2}-{3}"])
def test_a_voucher_by_keyword_or_bare(stand: Stand, form: str) -> None:
    stand.package()
    code = voucher(stand).lower()
    assert stand.text(form.format(code, " ", code[:5], code[5:])) is None
    assert stand.told() == ["bought_no_device"]


def test_a_voucher_texted_again_is_answered_with_what_is_left(stand: Stand) -> None:
    stand.package()
    code = voucher(stand)
    stand.text(f"V {code}")
    stand.pass_time(60)
    assert stand.text(f"V {code}") == "2h 59m left, until 20.11. 15:00"
    assert len(stand.purchases()) == 1


def test_a_wrong_voucher_and_a_missing_one(stand: Stand) -> None:
    assert stand.text("V 123") == "This code is not right. Please check it. Help: 0700 000 000."
    assert stand.text("V") == "Text V and the code of your voucher."


def test_guessing_by_sms_ends(stand: Stand) -> None:
    stand.package()
    code = voucher(stand)
    for _ in range(10):
        stand.text("V 123")
    assert stand.text(f"V {code}") == "Too many wrong codes. Try again in an hour. Help: 0700 000 000."


def test_voucher_codes_are_not_kept_with_the_message(stand: Stand) -> None:
    stand.package()
    code = voucher(stand)
    stand.text(f"V {code}")
    stand.text(voucher(stand))
    with stand.app.work(stand.tenant_id) as uow:
        rows = uow.session.query(Inbound).order_by(Inbound.id).all()
        assert [row.verdict for row in rows] == ["voucher", "voucher"]
        assert all(code.encode() not in row.body and b"***" in row.body for row in rows)


def test_devices_are_listed_added_moved_and_removed(stand: Stand) -> None:
    assert str(stand.text("DEVICE")).startswith("You have no device yet and none is waiting.")
    router = stand.router("Market")
    stand.knock(router, TV)
    assert stand.text("DEVICE") == "Waiting: A1B2 (Market). If it is yours, text DEVICE A1B2"
    assert stand.text("kifaa a1b2") == "Kifaa A1B2 ni chako."
    assert stand.macs() == [TV]
    stand.knock(router, LAPTOP)
    assert stand.text("VIFAA") == ("Vifaa vyako: A1B2.\nVinasubiri: C3D4 (Market). Kama ni chako, tuma KIFAA C3D4")
    assert stand.text("ENGLISH") == "From now on in English."
    assert stand.text("MOVE C3D4") == "Moved from A1B2 to C3D4."
    assert stand.macs() == [LAPTOP]
    stand.text(f"DEVICE {TV}")
    assert stand.text("DEVICE MOVE A1B2 02:00:00:00:00:01") == "Moved from A1B2 to 0001."
    assert stand.text("move 02:00:00:00:00:01 02-00-00-00-00-02") == "Moved from 0001 to 0002."
    assert stand.text("MOVE 02:00:00:00:00:02 02:00:00:00:00:01") == "Moved from 0002 to 0001."
    assert stand.text("device remove c3d4") == "Device C3D4 removed."
    assert stand.text("ONDOA 0001") == "Device 0001 removed."
    assert stand.macs() == []


def test_device_mistakes_are_explained(stand: Stand) -> None:
    stand.customer(NEIGHBOUR, mac=TV)
    stand.customer(mac=LAPTOP)
    stand.customer(mac="02:00:5E:10:00:01")
    end = " Help: 0700 000 000."
    assert stand.text("DEVICE FFFF") == f"No device FFFF is waiting. Join the Wi-Fi with it first.{end}"
    assert stand.text("DEVICE HELLO") == f"That is no device address: 4 or 12 signs, 0-9 and A-F.{end}"
    assert stand.text(f"DEVICE {TV}") == f"Device A1B2 belongs to another customer.{end}"
    assert stand.text("REMOVE A1B2") == f"You have no device A1B2. Text DEVICE for the list.{end}"
    assert str(stand.text("MOVE")).startswith("Text MOVE and the last 4 signs")
    assert stand.text("MOVE FFFF") == f"Several devices end in C3D4. Type all 12 signs.{end}"
    assert str(stand.text("REMOVE")).startswith("Text MOVE and")
    assert stand.macs(NEIGHBOUR) == [TV]


# ---- receipts


def pay_by_hand(stand: Stand, receipt: str, amount: str, payer_hint: str | None) -> None:
    with stand.app.work(stand.tenant_id) as uow:
        paid = Paid(
            amount=Money.parse(amount, "KES"), receipt_no=receipt, payer_hint=payer_hint, account="WRONG",
            paid_at=datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
        )  # fmt: skip
        purchases.money_arrived(uow, "daraja", paid)


def test_a_named_receipt_serves_what_was_ordered(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.text("BUY 3H", networkCode=AIRTEL)
    pay_by_hand(stand, "SJK7H2XYZ1", "20", "2547 ***** 678")
    assert stand.text("paid sjk7h2xyz1") == "Thank you for SJK7H2XYZ1. 3h left, until 20.11. 15:00"
    assert stand.purchases()[0].completed_at is not None


def test_a_forwarded_payment_message_will_do(stand: Stand) -> None:
    pay_by_hand(stand, "SJK7H2XYZ1", "20", "2547 ***** 678")
    said = stand.text("SJK7H2XYZ1 Confirmed. Ksh20.00 sent to KIOSK NET for account WRONG on 20/11/26")
    assert said == "Thank you for SJK7H2XYZ1. KES 20 is in your account. Text BUY for the prices."


def test_receipts_that_are_unknown_strange_or_somebody_elses(stand: Stand) -> None:
    pay_by_hand(stand, "SJK7H2XYZ1", "20", "2547 ***** 111")
    assert str(stand.text("PAID QQQQQQQQQQ")).startswith("We have not received QQQQQQQQQQ.")
    assert str(stand.text("PAID SJK7H2XYZ1")).startswith("SJK7H2XYZ1 was not paid from your number.")
    assert str(stand.text("PAID")).startswith("Text PAID and the receipt code")
    assert str(stand.text("NIMELIPA 💰💰💰💰💰💰💰")).startswith("Text PAID and the receipt code")


# ---- stop, start, help, language


@pytest.mark.parametrize("word", sorted(STOP_ALONE | {word for word, (verb, _) in KEYWORDS.items() if verb == "stop"}))
def test_every_stop_word_stops_marketing_with_one_confirmation(stand: Stand, word: str) -> None:
    said = stand.text(word.lower())
    assert said is not None
    assert not stand.may_market()
    assert stand.text(word) is None


def test_receipts_go_on_after_stop_and_start_undoes_it(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.text("STOP")
    stand.pay_in("20")
    stand.text("BUY 3H")
    assert stand.told()[-1] == "bought_no_device"
    assert stand.text("START") == "You hear from Kiosk Net again. STOP ends offers."
    assert stand.may_market()
    assert str(stand.text("ANZA", NEIGHBOUR)).startswith("Utapokea tena")


def test_help_names_the_company_and_a_contact(stand: Stand) -> None:
    assert stand.text("HELP") == (
        "Kiosk Net. Help: 0700 000 000. Text BUY, RENEW, BAL, V code, DEVICE, PAID receipt, STOP."
    )
    assert str(stand.text("MSAADA")).startswith("Kiosk Net. Msaada: 0700 000 000. Tuma NUNUA,")


def test_a_language_word_changes_the_language(stand: Stand) -> None:
    assert stand.text("kiswahili") == "Kuanzia sasa kwa Kiswahili."
    assert stand.who().language == "sw"  # type: ignore[union-attr]


def test_every_keyword_is_answered_or_acted_on(stand: Stand) -> None:
    stand.package()
    for word, (verb, _) in KEYWORDS.items():
        stand.pass_time(3600)
        stand.text("START")
        before = len(stand.messages())
        stand.text(word)
        assert len(stand.messages()) > before, (word, verb)
