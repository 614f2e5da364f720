"""Two RADIUS servers beside a stock one: how many questions and reports a second, how late at half of that, and a storm.

All servers run on one PostgreSQL with the same rows (the embedded one on SQLite, too) and are asked by one load generator,
one after the other, in rounds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import radius_town
from bench.figures import Figure
from bench.measure import fdatasync_ms
from bench.radius_town import DEVICES, Server
from tests import services

ROUNDS = int(os.environ.get("DUKA_BENCH_ROUNDS", "3"))
COUNT = int(os.environ.get("DUKA_BENCH_COUNT", DEVICES))
"""Smaller for a first look; the figures are those of the whole."""
HALF_SECONDS = 10
P99_MS_MAX = 50.0
STORM, WAITING, STORM_SECONDS_MAX = 10_000, 300, 10.0
WAITING_AGAIN_SECONDS = 30.0
BURST_WINDOW = STORM + 2 * WAITING
ACCEPT, REJECT, RESPONSE = "2", "3", "5"
ACCESS_WANTED = {"FreeRADIUS": 2.5, "embedded, PostgreSQL": 2.0, "embedded, SQLite": 4.0}
ACCOUNTING_WANTED = {"FreeRADIUS": 1.5, "embedded, PostgreSQL": 3.0, "embedded, SQLite": 3.0}


@contextmanager
def town() -> Iterator[list[Server]]:
    """All servers, running; the stock one first."""
    with ExitStack() as stack:
        postgres = stack.enter_context(services.own_postgres_server())
        redis = stack.enter_context(services.redis_server())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="duka-bench-")))
        url = stack.enter_context(services.postgres_database(postgres.url))
        services.create_tables(url)
        shop = stack.enter_context(radius_town.filled_shop(url, redis.url, folder / "postgresql"))
        file_url = f"sqlite:///{folder}/duka.db"
        services.create_tables(file_url)
        small = stack.enter_context(radius_town.filled_shop(file_url, redis.url, folder / "sqlite"))
        yield [
            stack.enter_context(radius_town.stock(shop, postgres)),
            stack.enter_context(radius_town.ours(shop, postgres)),
            stack.enter_context(radius_town.embedded("embedded, PostgreSQL", shop, folder / "postgresql", postgres)),
            stack.enter_context(radius_town.embedded("embedded, SQLite", small, folder / "sqlite", None)),
        ]


def run() -> list[Figure]:
    """Everything; about ten minutes."""
    figures = [Figure("making one block durable", f"{fdatasync_ms():.2f} ms", "every durable row waits for it")]
    with town() as servers:
        access: dict[str, list[dict[str, Any]]] = {server.name: [] for server in servers}
        accounting: dict[str, list[dict[str, Any]]] = {server.name: [] for server in servers}
        for number in range(ROUNDS):
            for server in servers:
                access[server.name].append(_logins(server))
            for server in servers:
                accounting[server.name].append(_reports(server, number))
        figures += _beside("Access-Requests", access, ACCESS_WANTED)
        figures += _beside("accounting 1:8:1", accounting, ACCOUNTING_WANTED)
        for server in servers[1:]:
            figures.append(_at_half(server, "access", _rate(access[server.name])))
            figures.append(_at_half(server, "accounting", _rate(accounting[server.name])))
        figures += [_storm(server) for server in servers[1:]]
    return figures


def _logins(server: Server) -> dict[str, Any]:
    """Every device logs in once; all are let in, and the log says so."""
    server.tidy()
    seen = server.play("access", count=COUNT)
    if seen["codes"] != {"0": {ACCEPT: COUNT}}:
        raise RuntimeError(f"{server.name}: {seen['codes']}")
    seen["logged"] = server.logged(COUNT)
    return seen


def _reports(server: Server, number: int) -> dict[str, Any]:
    """Sessions from beginning to end; their bytes are in the books, all and once."""
    server.tidy()
    seen = server.play("accounting", count=COUNT, boot=0x80 + number)
    if {code for codes in seen["codes"].values() for code in codes} != {RESPONSE}:
        raise RuntimeError(f"{server.name}: {seen['codes']}")
    in_sessions, charged = server.accounted()
    if not server.stock and (in_sessions, charged) != (
        seen["bytes"],
        seen["bytes"],
    ):  # stock loses some when it is busy
        raise RuntimeError(f"{server.name}: {seen['bytes']} bytes told, {in_sessions} known, {charged} charged")
    return seen


def _rate(rounds: list[dict[str, Any]]) -> float:
    return float(median(seen["rate"] for seen in rounds))


def _busy(rounds: list[dict[str, Any]]) -> str:
    """How many processors everybody kept busy in the last round: what holds it back. Who answers sooner than books, how fast."""
    seen = rounds[-1]
    sooner = f", answered at {seen['answers_rate']:,.0f}/s" if seen["answers_rate"] > 1.02 * seen["rate"] else ""
    return ", ".join(f"{who} {share:.2f}" for who, share in seen["busy"].items()) + sooner


def _beside(what: str, rounds: dict[str, list[dict[str, Any]]], wanted: dict[str, float]) -> list[Figure]:
    yardstick, *others = rounds
    base = _rate(rounds[yardstick])
    figures = [Figure(f"{what}: {yardstick}", f"{base:,.0f}/s; {_busy(rounds[yardstick])}")]
    for name in others:
        rate = _rate(rounds[name])
        ratio = median(a["rate"] / b["rate"] for a, b in zip(rounds[name], rounds[yardstick], strict=True))
        figures.append(
            Figure(
                f"  {name}", f"{rate:,.0f}/s; {_busy(rounds[name])}", f"{base:,.0f}/s", f"{ratio:.2f}", f"≥ {wanted[name]}",
                ratio >= wanted[name],
            )
        )  # fmt: skip
        if "logged" in rounds[name][-1]:
            lines = min(seen["logged"] for seen in rounds[name])
            figures.append(Figure("    lines in the log", f"{lines:,}", "", "", f"{COUNT:,}", lines == COUNT))
    return figures


def _at_half(server: Server, kind: str, ceiling: float) -> Figure:
    """Open loop at half of what it can do: delay counts from when a question was due."""
    server.tidy()
    rate = ceiling / 2
    seen = server.play(kind, rate=rate, count=min(int(HALF_SECONDS * rate), COUNT), window=100_000, boot=0x90)
    points = seen["ms"]
    return Figure(
        f"{server.name}, {kind}, at {rate:,.0f}/s", f"p99 {points['p99']:.1f} ms, median {points['p50']:.1f} ms", "", "",
        f"p99 < {P99_MS_MAX:.0f} ms", points["p99"] < P99_MS_MAX,
    )  # fmt: skip


def _storm(server: Server) -> Figure:
    """The power comes back: everybody asks at once, and so do those who have not paid, again and again."""
    server.tidy()
    waves = [[0, STORM, 0.0], [DEVICES, WAITING, 0.0], [DEVICES, WAITING, WAITING_AGAIN_SECONDS]]
    seen = server.play("access", waves=waves, routers=server.routers, sockets=3, window=BURST_WINDOW, give_up=15.0)
    if seen["codes"] != {"0": {ACCEPT: STORM}, "1": {REJECT: WAITING}, "2": {REJECT: WAITING}}:
        raise RuntimeError(f"{server.name}, storm: {seen['codes']}")
    last, lines = seen["waves"]["0"]["max"] / 1000, server.rejects_logged()
    return Figure(
        f"{server.name}: storm of {STORM:,} payers and {WAITING} others",
        f"last payer after {last:.1f} s; {seen['sent_again']:,} sent again; {lines} lines about the others",
        "", "", f"≤ {STORM_SECONDS_MAX:.0f} s, ≤ {WAITING} lines", last <= STORM_SECONDS_MAX and lines <= WAITING,
    )  # fmt: skip
