"""Buying early never throws away what is left."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.subscriptions.rules import Begin, Extend, Offer, Term, remaining, stack

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
THREE_HOURS = Offer(package_id=1, duration_seconds=10_800, quota_bytes=None)
GIGABYTE = Offer(package_id=2, duration_seconds=86_400, quota_bytes=1_000_000_000)


def term(
    number: int,
    package: int = 1,
    *,
    begins: float = 0,
    hours: float = 3,
    quota: int | None = None,
    used: int = 0,
    usable: bool = True,
) -> Term:
    starts_at = NOW + timedelta(hours=begins)
    return Term(number, package, starts_at, starts_at + timedelta(hours=hours), quota, used, usable)


def test_the_first_purchase_begins_at_once() -> None:
    assert stack([], THREE_HOURS, NOW) == Begin(NOW, NOW + timedelta(hours=3))


def test_the_same_package_again_adds_time_to_time() -> None:
    running = term(7, begins=-1)
    place = stack([running], THREE_HOURS, NOW)
    assert place == Extend(7, running.ends_at + timedelta(hours=3), None, timedelta(hours=3))


def test_the_same_package_again_adds_data_to_data() -> None:
    running = term(7, 2, begins=-1, hours=24, quota=1_000_000_000, used=400_000_000)
    place = stack([running], GIGABYTE, NOW)
    assert isinstance(place, Extend)
    assert place.quota_bytes == 2_000_000_000


def test_another_package_waits_until_the_first_has_run_its_time() -> None:
    running = term(7, begins=-1)
    place = stack([running], GIGABYTE, NOW)
    assert place == Begin(running.ends_at, running.ends_at + timedelta(hours=24))


def test_another_package_begins_at_once_when_the_data_of_the_first_is_used_up() -> None:
    exhausted = term(7, 2, begins=-1, hours=24, quota=10, used=10, usable=False)
    assert stack([exhausted], THREE_HOURS, NOW) == Begin(NOW, NOW + timedelta(hours=3))


def test_the_same_package_revives_one_whose_data_is_used_up() -> None:
    exhausted = term(7, 2, begins=-1, hours=24, quota=10, used=10, usable=False)
    place = stack([exhausted], GIGABYTE, NOW)
    assert isinstance(place, Extend)
    assert (place.term_id, place.quota_bytes) == (7, 1_000_000_010)


def test_what_waits_moves_along_when_the_one_before_it_is_lengthened() -> None:
    running, waiting = term(7, begins=-1), term(8, 2, begins=2, hours=24)
    place = stack([running, waiting], THREE_HOURS, NOW)
    assert isinstance(place, Extend)
    assert (place.term_id, place.behind, place.shift) == (7, (8,), timedelta(hours=3))


def test_what_is_over_counts_for_nothing() -> None:
    over = term(7, begins=-5)
    assert isinstance(stack([over], THREE_HOURS, NOW), Begin)
    assert remaining([over], NOW).seconds == 0


def test_left_is_the_sum_of_all_that_is_usable() -> None:
    left = remaining([term(1, begins=-1), term(2, 2, begins=2, hours=24, quota=100, used=30)], NOW)
    assert left.seconds == 2 * 3600 + 24 * 3600
    assert left.bytes is None
    assert left.running


def test_bytes_left_are_told_only_when_all_is_metered() -> None:
    metered = remaining(
        [term(2, 2, begins=-1, hours=24, quota=100, used=130), term(3, 2, begins=23, hours=1, quota=50)], NOW
    )
    assert metered.bytes == 50


offers = st.sampled_from([THREE_HOURS, GIGABYTE, Offer(3, 3600, 500), Offer(4, 604_800, None)])


@given(st.lists(offers, max_size=12), st.lists(st.integers(0, 5000), max_size=12))
def test_no_second_and_no_byte_is_ever_lost(purchases: list[Offer], pauses: list[int]) -> None:
    """However purchases follow each other: the chain has no gap and no overlap, and all that was bought is still there."""
    terms: list[Term] = []
    now, bought_seconds, bought_bytes = NOW, 0, 0
    for number, offer in enumerate(purchases):
        before = remaining(terms, now)
        place = stack(terms, offer, now)
        if isinstance(place, Begin):
            terms.append(Term(number, offer.package_id, place.starts_at, place.ends_at, offer.quota_bytes, 0))
        else:
            terms = [_moved(term, place) for term in terms]
        after = remaining(terms, now)
        assert after.seconds == before.seconds + offer.duration_seconds
        bought_seconds += offer.duration_seconds
        bought_bytes += offer.quota_bytes or 0
        live = sorted((term for term in terms if term.ends_at > now), key=lambda term: term.starts_at)
        assert all(one.ends_at == two.starts_at for one, two in itertools.pairwise(live))
        now += timedelta(seconds=pauses[number] if number < len(pauses) else 0)
    assert sum(int((term.ends_at - term.starts_at).total_seconds()) for term in terms) == bought_seconds
    assert sum(term.quota_bytes or 0 for term in terms) == bought_bytes


def _moved(term: Term, place: Extend) -> Term:
    if term.id == place.term_id:
        return Term(term.id, term.package_id, term.starts_at, place.ends_at, place.quota_bytes, term.used_bytes)
    if term.id in place.behind:
        return Term(
            term.id, term.package_id, term.starts_at + place.shift, term.ends_at + place.shift, term.quota_bytes, term.used_bytes
        )  # fmt: skip
    return term
