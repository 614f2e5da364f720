"""What billing writes for RADIUS servers, on both databases: exact rows, all or nothing, and nothing by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, Table, event, insert, select, text
from sqlalchemy.exc import IntegrityError

from core.adapters.radius_rows import NEVER_EPOCH, OPEN_SIDE, USERNAMES_PER_STATEMENT, RadiusRows, rate_limit
from core.db import make_engine
from core.errors import GatewayDown
from core.ports import Access
from core.radius_tables import radcheck, radius_user, radreply

PHONE = "AA:BB:CC:00:00:01"
LAPTOP = "AA:BB:CC:00:00:02"
END = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
PAID = Access(
    username=PHONE,
    allowed=True,
    expires_at=END,
    upload_kbps=5000,
    download_kbps=10_000,
    subscription_id=7,
    metered=True,
    interim_seconds=120,
)
NOT_PAID = Access(username=PHONE, allowed=False, reason="expired")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def attributes(engine: Engine, table: Table, username: str) -> list[tuple[str, str, str]]:
    columns = (table.c.attribute, table.c.op, table.c.value)
    with engine.connect() as connection:
        found = connection.execute(select(*columns).where(table.c.username == username))
        return sorted((attribute, op, value) for attribute, op, value in found)


def quota(engine: Engine, username: str) -> tuple[int, bool] | None:
    with engine.connect() as connection:
        row = connection.execute(select(radius_user).where(radius_user.c.username == username)).one_or_none()
    return None if row is None else (row.subscription_id, row.metered)


def everything(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for table in (radcheck, radreply, radius_user) for row in connection.execute(select(table))]


def test_a_paid_device_gets_its_end_its_rate_and_its_count(engine: Engine) -> None:
    RadiusRows(engine).apply([PAID])
    assert attributes(engine, radcheck, PHONE) == [("Expiration", ":=", str(int(END.timestamp())))]
    assert attributes(engine, radreply, PHONE) == [
        ("Acct-Interim-Interval", ":=", "120"),
        ("Class", ":=", "duka:7"),
        ("Mikrotik-Rate-Limit", ":=", "5M/10M"),
    ]
    assert quota(engine, PHONE) == (7, True)


def test_a_device_that_may_not_enter_has_no_rows_at_all(engine: Engine) -> None:
    rows = RadiusRows(engine)
    rows.apply([PAID, replace(PAID, username=LAPTOP)])
    rows.apply([NOT_PAID])
    assert attributes(engine, radcheck, PHONE) == attributes(engine, radreply, PHONE) == []
    assert quota(engine, PHONE) is None
    assert attributes(engine, radcheck, LAPTOP) and attributes(engine, radreply, LAPTOP) and quota(engine, LAPTOP)


def test_forbidding_what_was_never_allowed_writes_nothing(engine: Engine) -> None:
    RadiusRows(engine).apply([NOT_PAID])
    assert everything(engine) == []


def test_a_new_package_replaces_the_old_rows(engine: Engine) -> None:
    rows = RadiusRows(engine)
    rows.apply([PAID])
    later = replace(PAID, expires_at=END + timedelta(hours=1), upload_kbps=512, subscription_id=8, metered=False)
    rows.apply([later])
    assert attributes(engine, radcheck, PHONE) == [("Expiration", ":=", str(int(END.timestamp()) + 3600))]
    assert attributes(engine, radreply, PHONE) == [
        ("Acct-Interim-Interval", ":=", "120"),
        ("Class", ":=", "duka:8"),
        ("Mikrotik-Rate-Limit", ":=", "512k/10M"),
    ]
    assert quota(engine, PHONE) == (8, False)


@pytest.mark.parametrize("table", [radcheck, radreply], ids=["checks", "replies"])
def test_rows_somebody_else_put_there_do_not_survive(engine: Engine, table: Table) -> None:
    """A second Expiration, or a password typed in by hand, would let in what was not paid for."""
    rows = RadiusRows(engine)
    rows.apply([PAID])
    before = attributes(engine, table, PHONE)
    stray = {"username": PHONE, "attribute": "Auth-Type", "op": ":=", "value": "Accept"}
    doubled = dict(zip(("attribute", "op", "value"), before[0], strict=True), username=PHONE)
    with engine.begin() as connection:
        connection.execute(insert(table), [stray, doubled])
    rows.apply([PAID])
    assert attributes(engine, table, PHONE) == before


@pytest.fixture
def writes(engine: Engine) -> list[str]:
    """Every statement that changes something, with its values, as it reaches the database."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        if statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            seen.append(f"{statement} {values}")

    event.listen(engine, "before_cursor_execute", note)
    return seen


def test_repeating_what_is_already_so_does_not_write(engine: Engine, writes: list[str]) -> None:
    rows = RadiusRows(engine)
    rows.apply([PAID, replace(PAID, username=LAPTOP)])
    assert writes
    writes.clear()
    rows.apply([PAID, PAID, replace(PAID, username=LAPTOP)])
    assert writes == []


def test_only_the_user_that_differs_is_written(engine: Engine, writes: list[str]) -> None:
    rows = RadiusRows(engine)
    rows.apply([PAID, replace(PAID, username=LAPTOP)])
    assert PHONE in str(writes)
    writes.clear()
    rows.apply([PAID, replace(PAID, username=LAPTOP, upload_kbps=1000)])
    assert LAPTOP in str(writes)
    assert PHONE not in str(writes)


@pytest.mark.parametrize(
    ("upload_kbps", "download_kbps", "said"),
    [
        (5000, 10_000, "5M/10M"),
        (512, 1024, "512k/1024k"),
        (1500, 2000, "1500k/2M"),
        (1, 1_000_000, "1k/1000M"),
        (None, 2000, f"{OPEN_SIDE}/2M"),
        (2000, None, f"2M/{OPEN_SIDE}"),
        (None, None, None),
    ],
)
def test_upload_is_said_first(upload_kbps: int | None, download_kbps: int | None, said: str | None) -> None:
    assert rate_limit(upload_kbps, download_kbps) == said


def test_without_limits_there_is_no_rate_row(engine: Engine) -> None:
    RadiusRows(engine).apply([replace(PAID, upload_kbps=None, download_kbps=None, subscription_id=None, metered=False)])
    assert attributes(engine, radreply, PHONE) == [("Acct-Interim-Interval", ":=", "120")]
    assert quota(engine, PHONE) == (0, False), "nobody is charged"


@pytest.mark.parametrize(
    ("moment", "epoch"),
    [
        (END, int(END.timestamp())),
        (END.astimezone(timezone(timedelta(hours=3))), int(END.timestamp())),
        (END + timedelta(microseconds=999_999), int(END.timestamp())),
        (datetime(2200, 1, 1, tzinfo=UTC), NEVER_EPOCH),
        (None, NEVER_EPOCH),
    ],
    ids=["utc", "nairobi", "fraction", "far future", "no end"],
)
def test_the_end_is_written_as_digits_no_time_zone_can_move(
    engine: Engine, moment: datetime | None, epoch: int
) -> None:
    RadiusRows(engine).apply([replace(PAID, expires_at=moment)])
    assert attributes(engine, radcheck, PHONE) == [("Expiration", ":=", str(epoch))]


def test_a_user_of_another_tenant_carries_its_realm(engine: Engine) -> None:
    RadiusRows(engine).apply([replace(PAID, username=f"{PHONE}@market-2")])
    assert attributes(engine, radcheck, f"{PHONE}@market-2")
    assert attributes(engine, radcheck, PHONE) == []


@pytest.mark.parametrize(
    "username",
    [
        "",
        "aa:bb:cc:00:00:01",
        "AA-BB-CC-00-00-01",
        "AABBCC000001",
        f"{PHONE}\n",
        f" {PHONE}",
        f"{PHONE}@",
        f"{PHONE}@a b",
        f"{PHONE}@" + "x" * 64,
        f"{PHONE}'; DROP TABLE radcheck; --",
        "ＡA:BB:CC:00:00:01",
        "AA:BB:CC:00:00:0١",
        "DEFAULT",
        "A" * 100_000,
    ],
)
def test_a_name_no_router_sends_is_refused_and_nothing_is_written(engine: Engine, username: str) -> None:
    with pytest.raises(ValueError, match="not a user name"):
        RadiusRows(engine).apply([replace(PAID, username=LAPTOP), replace(PAID, username=username)])
    assert everything(engine) == []


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PAID, upload_kbps=0),
        replace(PAID, download_kbps=-1),
        replace(PAID, expires_at=datetime(2026, 3, 2)),
        replace(PAID, expires_at=datetime(1969, 1, 1, tzinfo=UTC)),
        replace(PAID, subscription_id=None),
        replace(PAID, interim_seconds=0),
    ],
    ids=["no upload", "negative", "naive", "before time began", "metered on nothing", "constant reports"],
)
def test_a_wish_no_server_understands_is_refused_and_nothing_is_written(engine: Engine, wrong: Access) -> None:
    with pytest.raises(ValueError, match="rate|moment|naive|metered|reports"):
        RadiusRows(engine).apply([replace(PAID, username=LAPTOP), wrong])
    assert everything(engine) == []


def test_two_wishes_for_one_user_at_once_are_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="two different wishes"):
        RadiusRows(engine).apply([PAID, NOT_PAID])
    assert everything(engine) == []


@pytest.fixture
def trap(engine: Engine) -> Iterator[None]:
    """A second row with the same words in `radreply` fails, after `radcheck` was written. Taken away afterwards."""
    with engine.begin() as connection:
        connection.execute(text("CREATE UNIQUE INDEX one_of_each ON radreply (attribute, value)"))
    yield
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX one_of_each"))


@pytest.mark.usefixtures("trap")
def test_what_breaks_half_way_leaves_everything_as_it_was(engine: Engine) -> None:
    rows = RadiusRows(engine)
    rows.apply([PAID])
    before = everything(engine)
    with pytest.raises(IntegrityError):
        rows.apply([replace(PAID, upload_kbps=1000), replace(PAID, username=LAPTOP)])
    assert everything(engine) == before


def test_hundreds_of_users_go_in_one_call(engine: Engine) -> None:
    rows = RadiusRows(engine)
    count = USERNAMES_PER_STATEMENT + 37
    crowd = [replace(PAID, username=f"02:00:00:00:{n // 256:02X}:{n % 256:02X}") for n in range(count)]
    rows.apply(crowd)
    assert len(everything(engine)) == count * 5
    rows.apply([replace(access, allowed=False) for access in crowd])
    assert everything(engine) == []


def test_nothing_to_do_is_fine(engine: Engine) -> None:
    RadiusRows(engine).apply([])
    assert everything(engine) == []


def test_writers_of_the_same_users_never_mix_their_rows(engine: Engine) -> None:
    """Stock tables have no uniqueness of their own: two workers at once must not leave two ends for one user."""
    users = [f"02:00:00:00:00:{n:02X}" for n in range(6)]
    kinds = [
        [replace(PAID, username=user, upload_kbps=1000, expires_at=END) for user in users],
        [
            replace(PAID, username=user, upload_kbps=2000, expires_at=END + timedelta(days=1))
            for user in reversed(users)
        ],
        [replace(PAID, username=user, allowed=False) for user in users],
    ]

    def work(kind: list[Access]) -> None:
        for _ in range(12):
            RadiusRows(engine).apply(kind)

    with ThreadPoolExecutor(6) as workers:
        for done in [workers.submit(work, kind) for kind in kinds * 2]:
            done.result(60)
    fitting = {str(int(END.timestamp())): "1M/10M", str(int(END.timestamp()) + 86_400): "2M/10M"}
    for user in users:
        ends = attributes(engine, radcheck, user)
        rates = [value for name, _, value in attributes(engine, radreply, user) if name == "Mikrotik-Rate-Limit"]
        assert rates == [fitting[end] for _, _, end in ends]
        assert len(ends) <= 1
        assert (quota(engine, user) is not None) == bool(ends)


@pytest.mark.parametrize("url", ["sqlite:////proc/version", "postgresql://duka@127.0.0.1:1/duka"])
def test_a_database_that_is_away_is_a_reason_to_come_back(url: str) -> None:
    with pytest.raises(GatewayDown):
        RadiusRows(make_engine(url)).apply([PAID])
