"""How routers spell durations, dates and flags, in every version and when they are wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.adapters.routeros import MikrotikHotspot
from core.adapters.routeros.values import duration_ms, flag, harmless, mac_address, number, seconds, words
from tests.adapters.router_side import CALM, DONE, LOCAL, row, scripted


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0s", 0),
        ("1s", 1000),
        ("1100ms", 1100),
        ("1s100ms", 1100),
        ("1d2h3m4s", 93_784_000),
        ("1w2d3h4m5s6ms", 788_645_006),
        ("5m", 300_000),
        ("30", 30_000),
        ("00:00:30", 30_000),
        ("01:30", 5_400_000),
        ("1d 02:03:04", 93_784_000),
        ("1w2d 00:00:01", 777_601_000),
        ("99999h", 359_996_400_000),
    ],
)
def test_a_duration_in_all_its_spellings(text: str, milliseconds: int) -> None:
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "none", "received", "-5s", "5x", "s", "1.5s", "1d2", "٣s", "1:2:3", "5m5", "9" * 41, "1h" * 30, "1d\n2h"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_ms(text)
    assert seconds({"uptime": text}, "uptime") is None


def test_an_absent_property_is_its_default() -> None:
    assert seconds({}, "uptime") is None
    assert number({}, "limit-bytes-total") is None
    assert not flag({}, "authorized")
    assert flag({}, "radius-accounting", default=True)
    assert words({}, "login-by", "cookie,http-chap") == {"cookie", "http-chap"}


@pytest.mark.parametrize(("word", "meant"), [("true", True), ("yes", True), ("false", False), ("no", False)])
def test_a_flag_has_two_spellings(word: str, meant: bool) -> None:
    assert flag({"disabled": word}, "disabled", default=not meant) is meant


@pytest.mark.parametrize("word", ["", "maybe", "TRUE", "1"])
def test_an_unknown_flag_is_its_default(word: str) -> None:
    assert flag({"disabled": word}, "disabled", default=True)
    assert not flag({"disabled": word}, "disabled")


@pytest.mark.parametrize(("text", "meant"), [("0", 0), ("18446744073709551615", 2**64 - 1), ("-1", None), ("²", None)])
def test_a_counter_is_plain_digits(text: str, meant: int | None) -> None:
    assert number({"bytes": text}, "bytes") == meant


def test_one_spelling_of_a_mac_address() -> None:
    assert {mac_address(text) for text in ("aa:bb:cc:00:00:0f", " AA-BB-CC-00-00-0F ")} == {"AA:BB:CC:00:00:0F"}


def test_foreign_words_become_one_harmless_line() -> None:
    assert harmless("a\r\nb\x00\x1b[31m\u202ec\td") == "a b [31m c d"
    assert len(harmless("x" * 10_000)) == 200


NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "skew_seconds"),
    [
        ({"date": "2026-03-02", "time": "12:00:00", "gmt_offset": "+00:00"}, 0),
        ({"date": "mar/02/2026", "time": "15:00:10", "gmt_offset": "+03:00"}, 10),
        ({"date": "2026-03-02", "time": "08:30:00", "gmt_offset": "-03:30"}, 0),
        ({"date": "2026-03-02", "time": "15:00:00", "gmt_offset": "10800"}, 0),
        ({"date": "2026-03-02", "time": "09:00:00", "gmt_offset": "-10800"}, 0),
        ({"date": "2026-03-02", "time": "12:00:00"}, 0),
        ({"date": "jan/02/1970", "time": "00:00:00", "gmt_offset": "+00:00"}, -1772366400),
        ({"date": "2026-02-30", "time": "12:00:00"}, None),
        ({"date": "xyz/02/2026", "time": "12:00:00"}, None),
        ({"date": "2026-03-02", "time": "noon"}, None),
        ({"date": "2026-03-02", "time": "12:00:00", "gmt_offset": "east"}, None),
        ({"time": "12:00:00"}, None),
        ({"date": "٢٠٢٦-03-02", "time": "12:00:00"}, None),
        ({"date": "0000-00-00", "time": "99:99:99"}, None),
    ],
)
def test_a_routers_date_in_all_its_spellings(clock: dict[str, str], skew_seconds: int | None) -> None:
    hotspot = MikrotikHotspot(CALM)
    with scripted([DONE, row(**clock) + DONE, DONE]) as router:
        health = hotspot.probe(replace(LOCAL, api_port=router.port), NOON)
        assert [words[0] for words in router.heard[1:3]] == ["/system/resource/print", "/system/clock/print"]
    hotspot.close()
    assert health.clock_skew_seconds == skew_seconds


def test_a_router_that_tells_nothing_is_still_a_report() -> None:
    hotspot = MikrotikHotspot(CALM)
    with scripted([DONE]) as router:
        health = hotspot.probe(replace(LOCAL, api_port=router.port), NOON)
    hotspot.close()
    assert (health.identity, health.version, health.board, health.uptime_seconds) == ("", "", "", 0)
    assert health.clock_skew_seconds is None
    assert "there is no hotspot server" in health.problems
