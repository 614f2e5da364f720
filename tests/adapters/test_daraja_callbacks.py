"""What Daraja posts to us: callbacks about prompts and notices about payments, and everything it would never post."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.payments.daraja import Daraja, DarajaAccount, external_id
from core.adapters.tokens import LocalTokens
from core.clock import FrozenClock
from core.money import Money
from core.phone import Msisdn
from core.ports import Paid, UnreadableCallback

CALLER = Msisdn("+254712345678")
KEY, SECRET, PASSKEY = "c0nsumer-key-of-the-town", "c0nsumer-secret-of-the-town", "passkey0123456789abcdef"
PAYBILL, TILL = "600100", "5551234"


def offline() -> Daraja:
    """An adapter that reads callbacks and never calls anybody."""
    account = DarajaAccount(KEY, SECRET, PAYBILL, PASSKEY, till_number=TILL, base_url="http://127.0.0.1:9")
    return Daraja(account, LocalTokens(), FrozenClock())


ITEMS: list[dict[str, object]] = [
    {"Name": "Amount", "Value": 20.0},
    {"Name": "MpesaReceiptNumber", "Value": "NLJ7RT61SV"},
    {"Name": "Balance"},
    {"Name": "TransactionDate", "Value": 20261120120000},
    {"Name": "PhoneNumber", "Value": 254712345678},
]
NOTICE: dict[str, object] = {
    "TransactionType": "Pay Bill",
    "TransID": "RKTQDM7W6S",
    "TransTime": "20261120063845",
    "TransAmount": "10.50",
    "BusinessShortCode": PAYBILL,
    "BillRefNumber": "K7WXP3",
    "InvoiceNumber": "",
    "OrgAccountBalance": "49197.00",
    "ThirdPartyTransID": "",
    "MSISDN": "2547 ***** 678",
    "FirstName": "Asha",
    "MiddleName": "",
    "LastName": "",
}


def stk(items: object = ITEMS, **changes: object) -> bytes:
    callback: dict[str, object] = {
        "MerchantRequestID": "29115-34620561-1",
        "CheckoutRequestID": "ws_CO_1",
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": items},
    }
    return json.dumps({"Body": {"stkCallback": callback | changes}}).encode()


def notice(**changes: object) -> bytes:
    return json.dumps(NOTICE | changes).encode()


def with_item(name: str, value: object) -> list[dict[str, object]]:
    return [item for item in ITEMS if item["Name"] != name] + [{"Name": name, "Value": value}]


def read(body: bytes) -> Paid:
    outcome = offline().read_callback(body)
    assert isinstance(outcome, Paid)
    return outcome


@pytest.mark.parametrize("items", [ITEMS, ITEMS[::-1], [*ITEMS, {"Name": "New", "Value": {"deep": [1]}}]])
def test_metadata_are_read_by_name_not_by_position(items: list[dict[str, object]]) -> None:
    assert read(stk(items)) == Paid(
        "NLJ7RT61SV", Money(20_00, "KES"), "ws_CO_1", payer=CALLER, paid_at=datetime(2026, 11, 20, 9, tzinfo=UTC)
    )


def test_numbers_may_come_as_text_and_text_as_numbers() -> None:
    items = [{"Name": item["Name"], "Value": str(item["Value"])} for item in ITEMS if "Value" in item]
    assert read(stk(items, ResultCode="0")) == read(stk())
    assert read(notice(TransAmount=10.5, BusinessShortCode=int(PAYBILL), TransTime=20261120063845)) == read(notice())


@pytest.mark.parametrize(
    ("told", "minor"),
    [(b"1.00", 1_00), (b"20", 20_00), (b"0.1", 10), (b"16777217.01", 1_677_721_701), (b"4503599627.07", 450_359_962_707)],
)  # fmt: skip
def test_amounts_are_exact(told: bytes, minor: int) -> None:
    assert read(stk(with_item("Amount", 987654321)).replace(b"987654321", told)).amount == Money(minor, "KES")
    assert read(notice(TransAmount=told.decode())).amount == Money(minor, "KES")


@pytest.mark.parametrize("amount", ["0", "0.00", "-5", "1e3", "20.001", "NaN", "Infinity", "", None, "9" * 400, True,
                                    [20], {"a": 1}, "20 000 000 000 000", "\u0662\u0660"])  # fmt: skip
def test_what_is_no_amount_is_unreadable(amount: object) -> None:
    for body in (stk(with_item("Amount", amount)), notice(TransAmount=amount)):
        with pytest.raises(UnreadableCallback):
            offline().read_callback(body)


def test_a_missing_date_or_number_does_not_hide_the_money() -> None:
    bare = [item for item in ITEMS if item["Name"] in ("Amount", "MpesaReceiptNumber")]
    assert read(stk(bare)) == Paid("NLJ7RT61SV", Money(20_00, "KES"), "ws_CO_1")
    needed = {name: NOTICE[name] for name in ("TransID", "TransAmount", "BusinessShortCode")}
    assert read(json.dumps(needed).encode()) == Paid("RKTQDM7W6S", Money(10_50, "KES"))


@pytest.mark.parametrize(
    ("told", "payer", "hint"),
    [
        ("254712345678", CALLER, None),
        (254712345678, CALLER, None),
        ("0712345678", CALLER, None),
        ("2547 ***** 678", None, "2547 ***** 678"),
        ("A" * 64, None, "a" * 64),
        ("", None, None),
        (None, None, None),
        ("\u202e nonsense\n", None, "nonsense"),
    ],
)
def test_the_payer_is_a_number_or_a_hint(told: object, payer: Msisdn | None, hint: str | None) -> None:
    paid = read(notice(MSISDN=told))
    assert (paid.payer, paid.payer_hint) == (payer, hint)


def test_a_notice_is_ours_by_short_code_or_till() -> None:
    assert read(notice(BusinessShortCode=TILL)).receipt_no == "RKTQDM7W6S"
    for stranger in ("600999", "", None, [PAYBILL], f"{PAYBILL} "):
        with pytest.raises(UnreadableCallback):
            offline().read_callback(notice(BusinessShortCode=stranger))
    without_till = Daraja(
        DarajaAccount(KEY, SECRET, PAYBILL, PASSKEY, base_url="http://127.0.0.1:9"), LocalTokens(), FrozenClock()
    )
    with pytest.raises(UnreadableCallback):
        without_till.read_callback(notice(BusinessShortCode=None))


def test_names_and_accounts_are_made_harmless() -> None:
    paid = read(notice(FirstName="\u202eAsha\r\n\x00\ud800" + "a" * 500, BillRefNumber=" K7\nWXP3 "))
    assert paid.first_name is not None
    assert paid.first_name.startswith("Asha") and len(paid.first_name) <= 40
    assert (paid.first_name.encode(), paid.account) == (paid.first_name.encode("utf-8"), "K7 WXP3")
    assert read(notice(BillRefNumber="", FirstName=" ")).account is None


@pytest.mark.parametrize("code", [4242, "4242", "SFC_NEW"])
def test_a_new_word_is_not_guessed(code: object) -> None:
    body = stk(ResultCode=code)
    with pytest.raises(UnreadableCallback, match=str(code)):
        offline().read_callback(body)
    assert external_id(body) == f"stk:ws_CO_1:{code}:NLJ7RT61SV"


UNREADABLE: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"5",
    b'"TransID"',
    b"\xff\xfe\x00",
    b"{" * 50_000,
    b'{"Body":' * 50_000,
    b"[" * 50_000 + b"]" * 50_000,
    b'{"TransID": ' + b"9" * 50_000 + b"}",
    b"<html></html>",
    b'{"Body": null}',
    b'{"Body": {"stkCallback": []}}',
    b'{"Body": {"stkCallback": {}}}',
    stk(None),
    stk({}),
    stk([]),
    stk([None]),
    stk([{"Name": 5, "Value": 5}]),
    stk([*ITEMS, {"Name": "Amount", "Value": 1}]),
    stk(CallbackMetadata=None),
    stk(CallbackMetadata={"Item": ITEMS[0]}),
    stk(CheckoutRequestID=None),
    stk(CheckoutRequestID=""),
    stk(CheckoutRequestID="ws CO"),
    stk(CheckoutRequestID="x" * 101),
    stk(ResultCode=None),
    stk(ResultCode=True),
    stk(ResultCode=False),
    stk(ResultCode=[0]),
    stk(ResultCode=""),
    stk(ResultCode=0.0),
    stk(with_item("MpesaReceiptNumber", None)),
    stk(with_item("MpesaReceiptNumber", "nlj7rt61sv")),
    stk(with_item("MpesaReceiptNumber", "NLJ7RT61S'")),
    stk(with_item("TransactionDate", 20261320120000)),
    stk(with_item("TransactionDate", "0001-01-01")),
    stk(with_item("TransactionDate", "00010101000000")),
    stk(with_item("TransactionDate", {})),
    stk().replace(b'"ResultCode": 0', b'"ResultCode": 0, "ResultCode": 1032'),
    stk().replace(b"20.0", b"NaN"),
    notice(TransID=None),
    notice(TransID=""),
    notice(TransID=["RKTQDM7W6S"]),
    notice(TransTime="yesterday"),
    notice().replace(b'"10.50"', b'"10.50", "TransAmount": "99.00"'),
    notice(FirstName="x" * 70_000),
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_daraja_does_not_send_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback) as unreadable:
        offline().read_callback(body)
    assert len(str(unreadable.value)) < 200
    assert external_id(body) is None or isinstance(external_id(body), str)


@pytest.mark.parametrize("body", UNREADABLE[:30], ids=range(30))
def test_what_has_no_stable_name_has_none(body: bytes) -> None:
    named = external_id(body)
    assert named is None or named.startswith("stk:ws_CO_1:0:")


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["0", "1032", PAYBILL, "20.00", "RKTQDM7W6S", "254712345678", "+254", "07" * 20, "20261120120000"]
    )
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
item_names = st.sampled_from([item["Name"] for item in ITEMS]) | st.text()
items = st.lists(st.fixed_dictionaries({}, optional={"Name": item_names | values, "Value": values}))
callbacks = st.fixed_dictionaries(
    {},
    optional={
        "CheckoutRequestID": values,
        "ResultCode": values | st.just(0),
        "ResultDesc": values,
        "CallbackMetadata": values | st.fixed_dictionaries({"Item": items}),
    },
)
notices = st.fixed_dictionaries({"TransID": values}, optional=dict.fromkeys(list(NOTICE)[2:], values))
near_misses = st.builds(lambda name, value: NOTICE | {name: value}, st.sampled_from([*NOTICE]), values) | st.builds(
    lambda name, value: json.loads(stk(with_item(str(name), value))), item_names, values
)
bodies = st.binary() | st.builds(
    lambda value: json.dumps(value).encode(),
    values | notices | near_misses | callbacks.map(lambda callback: {"Body": {"stkCallback": callback}}),
)


@given(bodies)
def test_whatever_arrives_is_read_or_unreadable_and_nothing_else(body: bytes) -> None:
    try:
        outcome = offline().read_callback(body)
    except UnreadableCallback:
        outcome = None
    named = external_id(body)
    if outcome is not None:
        assert named is not None and named.isascii() and len(named) < 200
    if isinstance(outcome, Paid):
        assert outcome.amount.minor > 0 and outcome.receipt_no
        assert outcome.paid_at is None or outcome.paid_at.utcoffset() == timedelta(0)


@given(st.binary(max_size=40), st.integers(0, 10_000))
def test_a_callback_with_damage_anywhere_is_read_or_unreadable(damage: bytes, where: int) -> None:
    body = stk()
    cut = where % len(body)
    try:
        offline().read_callback(body[:cut] + damage + body[cut + len(damage) :])
    except UnreadableCallback as unreadable:
        assert len(str(unreadable)) < 200
