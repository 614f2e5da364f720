"""Every line of the table, at every server; and both servers beside each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.parity import wire
from tests.parity.asking import mschap_success
from tests.parity.cases import TABLE
from tests.parity.table import SECONDS_TOLERANCE, Accept, Case, Silence
from tests.parity.wire import Attribute
from tests.parity.world import Outcome

BY_NAME = {case.name: case for case in TABLE}
Answers = Callable[[str, str], dict[str, Outcome]]


def by_name(attributes: tuple[Attribute, ...]) -> dict[str, list[wire.Value]]:
    """Attributes by name; several of one name keep their order."""
    found: dict[str, list[wire.Value]] = {}
    for name, value in attributes:
        found.setdefault(name, []).append(value)
    return found


def expected(case: Case, gets: Accept, outcome: Outcome) -> dict[str, list[wire.Value]]:
    """What must be in the Accept, besides Session-Timeout."""
    attributes = by_name(tuple((name, case.fill(value)) for name, value in gets.attributes))
    return attributes | ({"MS-CHAP2-Success": [mschap_success(case)]} if gets.mschap else {})


def check_timeout(gets: Accept, outcome: Outcome, found: list[wire.Value]) -> None:
    if gets.seconds is None:
        assert found == []
        return
    wanted = gets.seconds if isinstance(gets.seconds, int) else gets.seconds(outcome.asked_at)
    (seconds,) = found
    assert isinstance(seconds, int) and seconds >= 1
    assert abs(seconds - wanted) <= SECONDS_TOLERANCE


@pytest.mark.parametrize("name", BY_NAME)
def test_the_table(answers: Answers, where: tuple[str, str], name: str) -> None:
    case, outcome = BY_NAME[name], answers(*where)[name]
    assert outcome.error == ""
    if isinstance(case.gets, Silence):
        assert outcome.reply is None
        assert outcome.log == []
        return
    reply = outcome.reply
    assert reply is not None, "no answer"
    assert reply.signed_first, "the Message-Authenticator is not the first attribute"
    if isinstance(case.gets, Accept):
        assert (reply.code, outcome.log) == ("Access-Accept", [case.gets.log] if case.gets.log else [])
        found = by_name(reply.attributes)
        check_timeout(case.gets, outcome, found.pop("Session-Timeout", []))
        assert found == expected(case, case.gets, outcome)
        return
    assert (reply.code, outcome.log) == ("Access-Reject", [f"Access-Reject ({case.gets.reason})"])
    (words,) = reply.named("Reply-Message")
    assert words and (case.gets.words is None or words == case.gets.words)


@pytest.mark.parametrize("name", BY_NAME)
def test_two_servers_one_answer(answers: Answers, both: str, name: str) -> None:
    """Attribute by attribute and word by word; what neither the policy nor the customer's router reads is left out."""
    ours, theirs = (answers(server, both)[name] for server in ("embedded", "freeradius"))
    assert ours.log == theirs.log
    assert (ours.reply is None) == (theirs.reply is None)
    if ours.reply is None or theirs.reply is None:
        return
    assert ours.reply.code == theirs.reply.code
    found, other = by_name(ours.reply.attributes), by_name(theirs.reply.attributes)
    for attributes in (found, other):
        attributes.pop("MS-CHAP-Error", None)
    times = [attributes.pop("Session-Timeout", [0])[0] for attributes in (found, other)]
    assert found == other
    asked_later = (theirs.asked_at - ours.asked_at).total_seconds() if isinstance(BY_NAME[name].gets, Accept) else 0
    moves = callable(getattr(BY_NAME[name].gets, "seconds", None))
    assert abs(int(times[0]) - int(times[1])) <= SECONDS_TOLERANCE + (abs(asked_later) + 60 if moves else 0)
