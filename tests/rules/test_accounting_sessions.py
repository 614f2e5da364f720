"""What packets say about one session adds up to what the router counted, in whatever order and however often they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.network.sessions import (
    AccountingEvent,
    Session,
    Traffic,
    begin,
    is_another_session,
    progress,
    subscription_id,
)

BEGAN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FIRST = AccountingEvent("start", 1, "10.9.0.2", BEGAN, "80100001", "AA:BB:CC:DD:EE:01", "AA:BB:CC:DD:EE:01")
EDGES = [2**31, 2**32 - 1, 2**32, 2**32 + 1, 10**10, 2**33]
STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 10**9), st.sampled_from(EDGES)), st.one_of(st.integers(0, 10**9), st.sampled_from(EDGES)),
        st.integers(1, 900),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


def reports(steps: list[tuple[int, int, int]]) -> list[AccountingEvent]:
    """What a router says of a session: Start, an Interim after each step, a Stop with the last."""
    told, received, sent, seconds = [FIRST], 0, 0, 0
    for more_received, more_sent, passed in steps:
        received, sent, seconds = received + more_received, sent + more_sent, seconds + passed
        at = BEGAN + timedelta(seconds=seconds)
        told.append(FIRST._replace(kind="interim", at=at, traffic=Traffic(received, sent, seconds)))
    return [*told[:-1], told[-1]._replace(kind="stop", cause="User-Request")]


@given(steps=STEPS, data=st.data())
def test_any_order_any_repetition_and_any_loss_but_of_the_last_leave_the_same_totals(
    steps: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    told = reports(steps)
    lost = data.draw(st.sets(st.integers(0, len(told) - 2)))
    kept = [event for place, event in enumerate(told) if place not in lost]
    arriving = data.draw(st.permutations(kept + data.draw(st.lists(st.sampled_from(kept), max_size=8))))
    known: Session | None = None
    counted = [0, 0, 0]
    for event in arriving:
        if known is None:
            known = begin(event, "duka:1")
            grown = (known.input_bytes, known.output_bytes, known.seconds)
        else:
            assert not is_another_session(known, event)
            grown = progress(known, event, "duka:1")
        assert min(grown) >= 0
        counted = [total + more for total, more in zip(counted, grown, strict=True)]
    last = told[-1]
    assert known is not None
    assert counted == [last.traffic.input_bytes, last.traffic.output_bytes, last.traffic.seconds]
    assert [known.input_bytes, known.output_bytes, known.seconds] == counted
    assert (known.started_at, known.stopped_at, known.cause) == (BEGAN, last.at, "User-Request")


@given(st.text(max_size=24))
def test_only_our_own_class_names_a_subscription(klass: str) -> None:
    number = subscription_id(klass)
    assert number is None or klass.removeprefix("duka:").lstrip("0") == str(number).lstrip("0")


@given(st.integers(0, 10**17 - 1))
def test_our_own_class_is_read_back(number: int) -> None:
    assert subscription_id(f"duka:{number}") == number
