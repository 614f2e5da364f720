"""Sessions that were known before they lay by month are known afterwards, and again when one goes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from core import migrations
from core.db import make_engine
from core.radius_tables import radacct

NOW = datetime.now(UTC).replace(microsecond=0)
ENDS = {
    "open": None,
    "lately": NOW - timedelta(days=2),
    "spring": NOW - timedelta(days=200),
    "long ago": NOW - timedelta(days=2000),
}


@pytest.fixture
def engine(bare_database_url: str, secrets_key: object) -> Iterator[Engine]:
    made = make_engine(bare_database_url)
    yield made
    made.dispose()


def row(name: str, ended: datetime | None) -> dict[str, object]:
    return {
        "acctsessionid": name, "acctuniqueid": f"id of {name}", "username": name, "nasipaddress": "10.9.0.2",
        "acctstarttime": NOW - timedelta(days=2001), "acctupdatetime": NOW, "acctstoptime": ended,
        "acctinputoctets": 10**10, "acctoutputoctets": 1, "framedipaddress": "10.20.0.2", "class": "duka:1",
    }  # fmt: skip


def known(engine: Engine) -> dict[str, tuple[int, datetime | None, int]]:
    found = select(radacct.c.acctsessionid, radacct.c.radacctid, radacct.c.acctstoptime, radacct.c.acctinputoctets)
    with engine.connect() as connection:
        return {name: (number, ended, size) for name, number, ended, size in connection.execute(found)}


def test_no_session_is_lost_on_the_way_there_and_back(engine: Engine) -> None:
    migrations.upgrade(engine, "0003")
    with engine.begin() as connection:
        for name, ended in ENDS.items():
            connection.execute(insert(radacct).values(row(name, ended)))
    before = known(engine)
    assert {name: ended for name, (_, ended, _) in before.items()} == ENDS
    migrations.upgrade(engine)
    assert known(engine) == before
    with engine.begin() as connection:
        connection.execute(insert(radacct).values(row("new", None)))
    numbers = [number for number, _, _ in known(engine).values()]
    assert len(set(numbers)) == 5
    migrations.downgrade(engine, "0003")
    assert {name: kept for name, kept in known(engine).items() if name != "new"} == before


def test_afterwards_each_lies_in_the_month_of_its_end(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        migrations.upgrade(engine)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM sqlite_master WHERE name LIKE 'y20%'")) == 0
        return
    migrations.upgrade(engine, "0003")
    with engine.begin() as connection:
        for name, ended in ENDS.items():
            connection.execute(insert(radacct).values(row(name, ended)))
    migrations.upgrade(engine)
    with engine.begin() as connection:
        found = connection.execute(text("SELECT acctsessionid, tableoid::regclass::text FROM radacct"))
        where = {row.acctsessionid: row[1] for row in found}
    months = {name: f"radacct_month.y{ENDS[name]:%Y}m{ENDS[name]:%m}" for name in ("lately", "spring")}
    assert where == {"open": "radacct_month.open", "long ago": "radacct_month.open"} | months
    with engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(radacct).values(row("open", None)))
