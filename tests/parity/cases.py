"""The table: every case of the topics, numbered."""

from __future__ import annotations

from dataclasses import replace

from tests.parity import cases_data, cases_state, cases_time, cases_who
from tests.parity.table import Case

TABLE: tuple[Case, ...] = tuple(
    replace(case, number=number)
    for number, case in enumerate((*cases_who.CASES, *cases_time.CASES, *cases_data.CASES, *cases_state.CASES), start=1)
)
assert len({case.name for case in TABLE}) == len(TABLE), "each case has a name of its own"
