"""Money, phones, codes, and words that fit."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import codes, texts
from core.clock import FrozenClock
from core.customers import BadMac, normalise_mac
from core.errors import Refusal
from core.ledger import InsufficientFunds
from core.money import BadAmount, Money
from core.phone import BadPhone, Msisdn


@pytest.mark.parametrize(
    ("text", "minor"), [("20", 2000), ("20.5", 2050), ("20.50", 2050), (" KES 1,500 ", 150_000), ("0", 0), ("0.01", 1)]
)
def test_money_is_read_exactly(text: str, minor: int) -> None:
    assert Money.parse(text, "KES") == Money(minor, "KES")


@pytest.mark.parametrize(
    "text", ["", "-5", "1e3", "NaN", "20.001", "twenty", "1.2.3", "9" * 30, "٢٠", "20 bob", "0x10", "Infinity", "1_000"]
)
def test_what_is_not_money_is_refused(text: str) -> None:
    with pytest.raises(BadAmount):
        Money.parse(text, "KES")


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(2000, "KES"), "KES 20"),
        (Money(2050, "KES"), "KES 20.50"),
        (Money(150_000_00, "KES"), "KES 150,000"),
        (Money(-5, "KES"), "KES -0.05"),
        (Money(500, "UGX"), "UGX 500"),
    ],
)
def test_money_is_shown_with_cents_only_when_there_are_some(money: Money, shown: str) -> None:
    assert str(money) == shown


def test_money_of_two_currencies_does_not_mix() -> None:
    with pytest.raises(BadAmount):
        Money(1, "KES") + Money(1, "UGX")
    with pytest.raises(TypeError):
        Money(1.5, "KES")  # type: ignore[arg-type]


@given(st.integers(0, 10**9))
def test_whole_units_never_ask_for_too_little(minor: int) -> None:
    whole = Money(minor, "KES").whole
    assert minor <= whole * 100 < minor + 100


@pytest.mark.parametrize(
    "text",
    [
        "0712345678", "712345678", "254712345678", "+254712345678", "2540712345678", "+254 0712345678", "00254712345678",
        "0712-345-678", "(0712) 345 678", "٠٧١٢٣٤٥٦٧٨", "tel:0712345678", "tel:+254712345678",
    ],
)  # fmt: skip
def test_one_number_has_one_form(text: str) -> None:
    assert Msisdn.parse(text, "KE") == "+254712345678"


@pytest.mark.parametrize(
    "text",
    [
        "", "07123456789", "0202345678", "2547 ***** 126", "8801712345678", "a" * 64, "0" * 64, "911", "+254712345678; DROP",
        "07123\x0045678", "0712345678" * 10, "<script>", "+", "++254712345678x",
    ],
)  # fmt: skip
def test_what_is_no_mobile_number_is_refused(text: str) -> None:
    with pytest.raises(BadPhone):
        Msisdn.parse(text, "KE")


def test_numbers_are_read_in_their_country() -> None:
    assert Msisdn.parse("0112345678", "KE") == "+254112345678"
    assert Msisdn.parse("01712345678", "BD") == "+8801712345678"
    with pytest.raises(BadPhone):
        Msisdn.parse("254712345678", "UG")
    assert Msisdn.parse("254712345678", "UG", foreign=True) == "+254712345678"


def test_a_number_knows_its_other_faces() -> None:
    number = Msisdn("+254712345678")
    assert number.digits == "254712345678"
    assert number.masked == "+2547•••••678"
    assert number.sha256 == hashlib.sha256(b"254712345678").hexdigest()
    assert number.fits_mask("2547 ***** 678")
    assert not number.fits_mask("2547 ***** 126")
    assert not number.fits_mask("***")


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_numbers(text: str) -> None:
    try:
        assert Msisdn.parse(text, "KE").startswith("+254")
    except BadPhone:
        pass


@given(st.integers(6, 12))
def test_codes_carry_their_own_check(length: int) -> None:
    code = codes.make(length)
    assert len(code) == length
    assert codes.is_sound(code)
    assert not set(code) & set("ILOU")


@given(st.integers(0, 7), st.sampled_from(codes.ALPHABET))
def test_one_wrong_sign_is_noticed(position: int, sign: str) -> None:
    code = codes.make(8)
    typed = code[:position] + sign + code[position + 1 :]
    assert codes.is_sound(typed) == (typed == code)


def test_codes_forgive_how_people_type() -> None:
    code = codes.make(10)
    spaced = f" {code[:5].lower()}-{code[5:]} "
    assert codes.normalise(spaced) == code
    assert codes.normalise("oO0iIlL1") == "00011111"
    assert not codes.is_sound("")
    assert not codes.is_sound("ÄÖ")


@pytest.mark.parametrize("text", ["02:00:5e:10:a1:b2", "02-00-5E-10-A1-B2", "02005e10a1b2", " 02.00.5e.10.a1.b2 "])
def test_a_device_address_has_one_form(text: str) -> None:
    assert normalise_mac(text) == "02:00:5E:10:A1:B2"


@pytest.mark.parametrize(
    "text", ["", "02:00:5E", "GG:00:5E:10:A1:B2", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "0" * 500]
)
def test_what_is_no_device_address_is_refused(text: str) -> None:
    with pytest.raises(BadMac):
        normalise_mac(text)


def test_gsm_lengths_are_counted_as_networks_do() -> None:
    assert texts.septets("a" * 160) == 160
    assert texts.septets("[€]") == 6
    assert texts.septets("🙂") is None
    assert [texts.parts("a" * n) for n in (160, 161, 306, 307)] == [1, 2, 2, 3]
    assert [texts.parts("🙂" * n) for n in (35, 36)] == [1, 2]


@given(st.text(max_size=200))
def test_plain_text_is_always_gsm(text: str) -> None:
    assert texts.septets(texts.plain(text)) is not None
    assert "\x00" not in texts.one_line(text)


def test_durations_and_volumes_are_short() -> None:
    assert [texts.duration(s) for s in (30, 2700, 12_000, 97_200, 604_800)] == ["1m", "45m", "3h 20m", "1d 3h", "7d"]
    assert [texts.volume(b) for b in (0, 500_000_000, 1_500_000_000, 10_000_000_000)] == [
        "0MB",
        "500MB",
        "1.5GB",
        "10GB",
    ]


def test_a_refusal_has_a_code_and_a_sentence() -> None:
    refusal = InsufficientFunds(needed="KES 20")
    assert refusal.code() == "insufficient_funds"
    assert str(refusal) == "There is not enough money for this."
    assert isinstance(refusal, Refusal)


def test_the_frozen_clock_moves_only_when_told() -> None:
    clock = FrozenClock()
    before = clock.now()
    assert clock.now() == before
    assert clock.advance(timedelta(minutes=5)) - before == timedelta(minutes=5)
