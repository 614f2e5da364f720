"""The tables' history leads exactly to what the models say, forwards and back, empty and full, on both databases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import migrations
from core.app import METADATA
from core.catalog import Package, Profile
from core.customers import Customer, Device
from core.db import make_engine
from core.ledger import Account
from core.subscriptions import Subscription
from core.tenants import Tenant

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def engine(bare_database_url: str, secrets_key: object) -> Iterator[Engine]:
    """An empty database."""
    made = make_engine(bare_database_url)
    yield made
    made.dispose()


def test_no_module_of_core_has_a_table_that_migrations_do_not_know() -> None:
    """Asked of a fresh interpreter, because here the tests have imported more than the product does."""
    program = (
        "import pkgutil, importlib, core, core.migrations\n"
        "known = set(core.migrations.METADATA.tables)\n"
        "for each in pkgutil.walk_packages(core.__path__, 'core.'):\n"
        "    if not each.name.startswith('core.migrations.'):\n"
        "        importlib.import_module(each.name)\n"
        "print(len(known), sorted(set(core.migrations.METADATA.tables) - known))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    count, unknown = said.strip().split(" ", 1)
    assert unknown == "[]"
    assert int(count) > 20


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def fill(engine: Engine) -> None:
    """One ISP with a customer who holds a device."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.add(
            Tenant(
                slug="shore", name="Shore", country="KE", currency="KES", language="en", timezone="Africa/Nairobi",
                realm="", settings="{}", created_at=NOW,
            )
        )  # fmt: skip
        session.add(
            Package(
                tenant_id=1, code="3H", name="3 hours", price_minor=2000, currency="KES", duration_seconds=10800,
                published_at=NOW,
            )
        )  # fmt: skip
        caller = Customer(
            tenant_id=1, msisdn="+254712000001", msisdn_hash="0" * 64, account_code="AAA111", language="en",
            created_at=NOW,
        )  # fmt: skip
        session.add(caller)
        session.flush()
        session.add(Device(tenant_id=1, customer_id=caller.id, mac="02:00:00:00:00:01", added_at=NOW))


def test_the_newest_revision_is_exactly_what_the_models_say(engine: Engine) -> None:
    migrations.upgrade(engine)
    assert migrations.differences(engine) == []
    assert tables(engine) == set(METADATA.tables)
    assert migrations.current(engine) == migrations.head()


def test_a_table_nobody_migrated_would_be_noticed(engine: Engine) -> None:
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE customer ADD COLUMN shoe_size INTEGER"))
        connection.execute(text("DROP INDEX uq_device_mac_held"))
    assert len(migrations.differences(engine)) == 2


def test_a_database_without_tables_has_no_revision(engine: Engine) -> None:
    assert migrations.current(engine) is None


def test_down_and_up_again_leads_to_the_same_tables(engine: Engine) -> None:
    migrations.upgrade(engine)
    fill(engine)
    migrations.downgrade(engine, "base")
    assert tables(engine) == set()
    assert migrations.current(engine) is None
    migrations.upgrade(engine)
    assert migrations.differences(engine) == []


def test_migrating_again_keeps_every_row(engine: Engine) -> None:
    migrations.upgrade(engine)
    fill(engine)
    migrations.upgrade(engine)
    with Session(engine) as session:
        device = session.get_one(Device, 1)
        assert session.get_one(Customer, device.customer_id).msisdn == "+254712000001"


def test_what_was_sold_before_there_was_grace_is_over_at_its_end(engine: Engine) -> None:
    def up(to: str) -> None:
        migrations.run(engine, command.upgrade, to)

    up("0002")
    with engine.begin() as connection:
        for row in (
            "tenant (id, slug, name, country, currency, language, timezone, realm, settings, settings_version, created_at)"
            " VALUES (1, 'shore', 'Shore', 'KE', 'KES', 'en', 'UTC', '', '', 1, :now)",
            "package (id, tenant_id, code, name, price_minor, currency, duration_seconds, device_limit, position,"
            " published_at) VALUES (1, 1, '3H', '3 hours', 2000, 'KES', 10800, 1, 1, :now)",
            "customer (id, tenant_id, msisdn, msisdn_hash, account_code, language, created_at)"
            " VALUES (1, 1, '+254712000001', '0', 'AAA111', 'en', :now)",
            "subscription (id, tenant_id, customer_id, package_id, starts_at, ends_at, used_bytes, device_limit)"
            " VALUES (1, 1, 1, 1, :now, :now, 0, 1)",
        ):
            connection.execute(text(f"INSERT INTO {row}"), {"now": NOW.replace(tzinfo=None).isoformat(" ")})
    up("head")
    with Session(engine) as session:
        sold = session.get_one(Subscription, 1)
        assert sold.over_at == sold.ends_at
        assert (sold.service, sold.profile, sold.slows) == ("mac", Profile(), False)
        assert session.get_one(Package, 1).profile == Profile()


def test_rules_of_the_tables_survive_the_way_through_migrations(engine: Engine) -> None:
    """Partial unique indexes, checks and references are what races lose against."""
    migrations.upgrade(engine)
    fill(engine)
    taken = Device(tenant_id=1, customer_id=1, mac="02:00:00:00:00:01", added_at=NOW)
    overdrawn = Account(tenant_id=1, name="wallet:1", currency="KES", guarded=True, balance_minor=-1)
    nobodys = Device(tenant_id=1, customer_id=99, mac="02:00:00:00:00:02", added_at=NOW)
    for row in (taken, overdrawn, nobodys):
        with Session(engine) as session:
            session.add(row)
            with pytest.raises(IntegrityError):
                session.commit()
    with Session(engine) as session, session.begin():
        session.get_one(Device, 1).released_at = NOW
        session.flush()
        session.add(Device(tenant_id=1, customer_id=1, mac="02:00:00:00:00:01", added_at=NOW))


def test_a_migration_that_fails_half_way_leaves_nothing_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE voucher (id INTEGER PRIMARY KEY)"))  # in the way of a late statement
    with pytest.raises(Exception, match="voucher"):
        migrations.upgrade(engine)
    assert tables(engine) == {"voucher"}
    assert migrations.current(engine) is None


def test_rebuilding_a_table_does_not_take_its_children_with_it(tmp_path: Path, secrets_key: object) -> None:
    """SQLite changes a table by making it anew; references must be neither enforced nor lost meanwhile."""
    engine = make_engine(f"sqlite:///{tmp_path / 'duka.db'}")
    migrations.upgrade(engine)
    fill(engine)

    def rebuild(config: Config, _to: str) -> None:
        operations = Operations(MigrationContext.configure(config.attributes["connection"]))
        with operations.batch_alter_table("customer", recreate="always") as batch:
            batch.alter_column("language", nullable=True)

    migrations.run(engine, rebuild, "head")
    with Session(engine) as session:
        assert session.get_one(Device, 1).customer_id == session.get_one(Customer, 1).id
        session.add(Device(tenant_id=1, customer_id=99, mac="02:00:00:00:00:03", added_at=NOW))
        with pytest.raises(IntegrityError):
            session.commit()
    engine.dispose()


def test_a_fresh_file_that_somebody_else_is_opening_too_is_waited_for(tmp_path: Path) -> None:
    """SQLite's own waiting does not cover this moment: whoever comes second was told "database is locked" at once."""
    other = sqlite3.connect(tmp_path / "fresh.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    soon = threading.Timer(0.2, other.commit)
    soon.start()
    engine = make_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    soon.join()
    other.close()
    engine.dispose()


def test_two_installers_at_once_follow_each_other(engine: Engine) -> None:
    failures: list[BaseException] = []

    def install() -> None:
        own = make_engine(engine.url.render_as_string(hide_password=False))
        try:
            migrations.upgrade(own)
        except Exception as error:  # noqa: BLE001 (whatever it is, the assertion below shows it)
            failures.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=install) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert migrations.differences(engine) == []
