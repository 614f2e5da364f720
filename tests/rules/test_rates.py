"""How a speed with all its parts is written for routers (radius.md §1)."""

from __future__ import annotations

import re

import pytest

from core.rates import Burst, Speed, rate_limit
from radius.rows import read_reply

FIVE_TEN = (5000, 10_000)
BURST = Burst(Speed(8000, 16_000), 16, Speed(4000, 8000))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "5M/10M"),
        ({"burst": BURST}, "5M/10M 8M/16M 4M/8M 16/16"),
        ({"burst": BURST, "priority": 8}, "5M/10M 8M/16M 4M/8M 16/16 8"),
        ({"burst": Burst(Speed(8000, 16_000), 9)}, "5M/10M 8M/16M 5M/10M 9/9"),
        ({"priority": 2}, "5M/10M 5M/10M 5M/10M 1/1 2"),
        ({"guaranteed": Speed(512, 1000)}, "5M/10M 5M/10M 5M/10M 1/1 8 512k/1M"),
        ({"burst": BURST, "priority": 1, "guaranteed": Speed(1000, 2000)}, "5M/10M 8M/16M 4M/8M 16/16 1 1M/2M"),
    ],
)
def test_upload_is_said_first_in_every_part_and_no_part_is_left_out_before_another(
    parts: dict[str, object], said: str
) -> None:
    assert rate_limit(*FIVE_TEN, **parts) == said
    assert read_reply("Mikrotik-Rate-Limit", said) == said


@pytest.mark.parametrize(
    "parts",
    [
        {"priority": 0},
        {"priority": 9},
        {"burst": Burst(Speed(0, 1), 16)},
        {"burst": Burst(Speed(1, 1), 0)},
        {"burst": Burst(Speed(1, 1), 99_999)},
        {"guaranteed": Speed(-1, 1)},
    ],
)
def test_parts_no_router_understands_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=re.compile("rate|burst|priority")):
        rate_limit(*FIVE_TEN, **parts)


def test_without_a_rate_there_are_no_parts_of_one() -> None:
    assert rate_limit(None, None) is None
    with pytest.raises(ValueError, match="without a rate"):
        rate_limit(None, None, priority=3)
