"""What it costs to look at a router and to set one up: connections, reads, our own time. The virtual router's time is not ours."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from typing import TypeVar

from bench.figures import Figure
from core.blueprint import ApiUser, Blueprint
from core.ports import RouterAddress
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.planner_side import box_blueprint, new_planner
from tests.adapters.router_side import LOCAL, PASSWORD

BOXES = (("7.21.5", "hAP ac^2"), ("7.18.2", "hAP ax^2"), ("6.49.18", "hAP ac^2"))
ROUNDS = 5
APPLY_SECONDS_MAX = 3.0

T = TypeVar("T")


@contextmanager
def empty_box(version: str, board: str) -> Iterator[tuple[VirtualRouter, RouterAddress, Blueprint]]:
    """A box without any set-up, how it is reached, and what should be on it."""
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), version=version, board=board) as router:
        router.reset(no_defaults=True)
        router.run("/user/add", name="boss", password=PASSWORD, group="full")
        place = replace(LOCAL, api_port=router.api_port, coa_port=router.coa_port, username="boss")
        blueprint = box_blueprint(place, 1812, 1813)
        yield router, place, replace(blueprint, api=ApiUser("duka", "p", ("127.0.0.1",), place.api_port))


def own_seconds(work: Callable[[], T]) -> tuple[float, float, T]:
    """Processor seconds of this thread (the router has its own), seconds on the wall, and what came of it."""
    began, own = time.monotonic(), time.thread_time()
    result = work()
    return time.thread_time() - own, time.monotonic() - began, result


def run() -> list[Figure]:
    """Per box: apply on an empty one, then the plan of one that is in step."""
    return [figure for version, board in BOXES for figure in _box(version, board)]


def _box(version: str, board: str) -> Iterator[Figure]:
    name = f"RouterOS {version} {board}"
    with empty_box(version, board) as (router, place, blueprint):
        planner, close = new_planner()
        own, wall, done = own_seconds(lambda: planner.apply(place, blueprint))
        assert not done.stopped, done.stopped
        commands = len(router.api_commands)
        yield Figure(
            f"apply on an empty box, {name}", f"{own:.2f} s of our own, {wall:.1f} s with the router's",
            f"{len(done.done)} changes, {commands} commands", wanted=f"< {APPLY_SECONDS_MAX:.0f} s of our own",
            met=own < APPLY_SECONDS_MAX,
        )  # fmt: skip
        close()
        router.api_commands.clear()
        plan = planner.plan(place, blueprint)
        reads = Counter(path for path, _ in router.api_commands)
        one_each = max(reads.values()) == 1 and all(path.endswith("/print") for path in reads)
        rounds = [own_seconds(lambda: planner.plan(place, blueprint))[:2] for _ in range(ROUNDS)]
        own, wall = (median(each) for each in zip(*rounds, strict=True))
        yield Figure(
            f"plan of a router in step, {name}", f"{1000 * own:.0f} ms of our own, {1000 * wall:.0f} ms with the router's",
            f"{len(reads)} menus, {router.api_sessions} connection", wanted="1 connection, ≤ 1 read per menu",
            met=plan.in_step and one_each and router.api_sessions == 1,
        )  # fmt: skip
        close()
