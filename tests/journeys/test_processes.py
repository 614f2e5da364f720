"""The purchase with real processes, killed with SIGKILL at every step. However it dies: paid once, served once, told once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.journeys.harm import Snag
from tests.journeys.running import RunningTown, open_running_town


@pytest.fixture(scope="module")
def service(database_kind: str, secrets_key: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTown]:
    """One running service for all stories on one kind of database."""
    with open_running_town(database_kind, tmp_path_factory.mktemp("service"), secrets_key) as town:
        yield town


@pytest.fixture
def town(service: RunningTown) -> Iterator[RunningTown]:
    """The service at the beginning of a story; what it said is shown when the story fails."""
    service.begin_story()
    service.lines.clear()
    yield service
    print(service.last_words())


def snag(town: RunningTown, table: str, event: str, when: str = "1 = 1") -> AbstractContextManager[Snag]:
    return Snag(town.app.settings.database.url, table, event, when).laid()


def test_a_purchase_with_real_processes(town: RunningTown) -> None:
    payer = town.ordered()
    town.pay(payer)
    town.assert_served_once(payer)


def test_the_worker_dies_before_the_prompt(town: RunningTown) -> None:
    payer = town.newcomer()
    with snag(town, "payment", "UPDATE OF prompted_at", "NEW.prompted_at IS NOT NULL") as spot:
        town.order(payer)
        spot.wait_until_caught()
        lost = town.kill_at_work()
    town.end_leases(lost)
    town.prompted(payer)
    town.pay(payer)
    town.assert_served_once(payer)
