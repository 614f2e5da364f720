"""Tables, engines and the types that cross the border to the database.

SQLite (WAL, immediate transactions) and PostgreSQL 15+ (psycopg 3) are equals; only this module and `core/app.py` know which.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel
from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    ColumnElement,
    DateTime,
    Dialect,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

SQLITE_BUSY_SECONDS = 30
"""A small box writes to a card or a shared disk, which may stand still for ten seconds."""
SQLITE_COME_AGAIN_SECONDS = 0.01
POSTGRES_CONNECT_SECONDS = 5
POOL_SIZE = 5
POOL_OVERFLOW_MAX = 5
OPENED_KEPT_MAX = 8000
"""Two secrets for each of some thousand routers, which RADIUS looks up twice a second."""
OPENED_BYTES_MAX = 4096
SEALED_MARK = "sealed:"
UNASKED_SECONDS_MAX = 1.0
"""A connection that was used so lately is handed out without asking whether the server is still there."""
_USED_AT = "used at"


class Instant(TypeDecorator[datetime]):
    """A moment in UTC. Naive datetimes are refused on the way in; SQLite gets ISO text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime may not reach the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


NOW: BindParameter[datetime] = bindparam("now", type_=Instant())
"""The instant of the visit, in statements that are built once."""


class WrongKey(Exception):
    """secrets.key does not open what this database keeps sealed: put back the key that it was sealed with (your copy of what
    `duka init` made). When keys are changed, the old one stays behind the new one, after a comma."""

    def __init__(self) -> None:
        super().__init__(" ".join((type(self).__doc__ or "").split()))


class Vault:
    """Encrypts what must not lie readable in the database. The first key encrypts, all of them decrypt (rotation)."""

    def __init__(self) -> None:
        self._keys: MultiFernet | None = None
        self._opened_lately: OrderedDict[bytes, str] = OrderedDict()

    def unlock(self, keys: list[str]) -> None:
        """Use these keys from now on. Raises ValueError for what is no key; whether they fit is seen when something is opened."""
        try:
            self._keys = MultiFernet([Fernet(key.encode()) for key in keys])
        except ValueError:
            raise ValueError("this is no key as `duka init` makes it (44 letters and digits that end with =)") from None
        self._opened_lately = OrderedDict()

    def seal(self, text: str) -> bytes:
        return self._opened().encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """What is sealed. Raises `WrongKey`. The same few accounts and routers are read with every job, so what was opened
        lately is kept."""
        lately = self._opened_lately
        known = lately.get(sealed)
        if known is not None:
            return known
        try:
            opened = self._opened().decrypt(sealed).decode()
        except InvalidToken as error:
            raise WrongKey from error
        if len(sealed) <= OPENED_BYTES_MAX:
            lately[sealed] = opened
        if len(lately) > OPENED_KEPT_MAX:
            lately.popitem(last=False)
        return opened

    def _opened(self) -> MultiFernet:
        if self._keys is None:
            raise RuntimeError("the vault is locked: secrets.key was not loaded")
        return self._keys


vault = Vault()


class Sealed(TypeDecorator[str]):
    """Text that is encrypted at rest: router passwords, gateway keys, RADIUS secrets."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else vault.seal(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else vault.open(value)


class SealedText(TypeDecorator[str]):
    """The same in a column of text that others look at too: `sealed:` and what is sealed.

    What stands there without that mark was written by somebody else, and is taken as it stands.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else SEALED_MARK + vault.seal(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or not value.startswith(SEALED_MARK):
            return value
        return vault.open(value.removeprefix(SEALED_MARK).encode())


class Stored(TypeDecorator[Any]):
    """A frozen pydantic model as JSON, of which only what differs from the defaults is written.

    Reading one that is not understood raises: a limit that nobody can read must not become no limit.
    """

    impl = JSON().with_variant(JSONB(), "postgresql")
    cache_ok = True

    def __init__(self, model: type[BaseModel]) -> None:
        super().__init__()
        self.model = model
        self._plain = model()

    def process_bind_param(self, value: BaseModel | None, dialect: Dialect) -> dict[str, Any]:
        return {} if value is None else value.model_dump(mode="json", exclude_defaults=True)

    def process_result_value(self, value: dict[str, Any] | None, dialect: Dialect) -> BaseModel:
        return self.model.model_validate(value) if value else self._plain


Id = BigInteger().with_variant(Integer, "sqlite")
"""Row ids: 64 bit everywhere; SQLite only counts up by itself when the type is called INTEGER."""

pk = Annotated[int, mapped_column(Id, primary_key=True)]


class Base(DeclarativeBase):
    """All tables. Every constraint has a name, so that migrations can speak of it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant(), int: BigInteger()}  # noqa: RUF012 (SQLAlchemy's own form)


class TenantOwned:
    """Rows of one ISP. The unit of work stamps them and hides everybody else's."""

    tenant_id: Mapped[int] = mapped_column(Id, index=True)


def make_engine(url: str, *, pool_size: int = POOL_SIZE) -> Engine:
    """An engine for `database.url`. Creates the folder of a SQLite file; raises nothing until first used."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=POOL_OVERFLOW_MAX,
            pool_recycle=1800,
            connect_args={"connect_timeout": POSTGRES_CONNECT_SECONDS},
            hide_parameters=True,
        )
        event.listen(engine, "connect", _set_up_postgresql)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _ask_after_a_pause(engine))
        return engine
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": SQLITE_BUSY_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _note_use(_connection: Any, record: Any) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ask_after_a_pause(engine: Engine) -> Callable[[Any, Any, Any], None]:
    """Like `pool_pre_ping`, but a busy process is spared the question before every transaction: a fifth of a short one."""

    def ask(connection: Any, record: Any, _proxy: object) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None or time.monotonic() - used_at <= UNASKED_SECONDS_MAX:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError("the database has hung up meanwhile") from error

    return ask


def _set_up_postgresql(connection: Any, _record: object) -> None:
    """Rows are found by index. A table that was analysed while it was empty would be read whole by every statement until it
    is analysed again, a minute of a busy evening later. (Where there is no index for it, a table is read whole all the same.)
    Plans are made once per connection: ours do not depend on the values, and making one costs more than running it."""
    connection.autocommit = True
    connection.execute("SET enable_seqscan = off")
    connection.execute("SET jit = off")
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.autocommit = False


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}")
    _keep_a_log(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _keep_a_log(cursor: Any) -> None:
    """Switch to the write-ahead log. Of several who open a fresh file at the same moment SQLite turns all but one away at
    once, whatever `busy_timeout` says (neither may wait for the other's lock to become its own); so they come again."""
    until = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(SQLITE_COME_AGAIN_SECONDS)
        else:
            return


def _begin_immediate(connection: Any) -> None:
    """Take the write lock first: a transaction that starts reading and then writes would fail instead of wait."""
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("only_reads") else "BEGIN IMMEDIATE")


def packed(ids: Sequence[int], dialect: str) -> list[int] | str:
    """Many ids as one parameter, for `listed`: a list, for SQLite its JSON."""
    return list(ids) if dialect == "postgresql" else json.dumps(list(ids))


def gathered(column: Any, dialect: str) -> Any:
    """All ids of a group, as `packed` gives them."""
    return (func.array_agg if dialect == "postgresql" else func.json_group_array)(column)


def listed(column: Any, parameter: BindParameter[Any], dialect: str) -> ColumnElement[bool]:
    """`column` is one of the `packed` ids: the statement stays the same however many there are."""
    if dialect == "postgresql":
        return column == func.any(type_coerce(parameter, ARRAY(BigInteger)))  # type: ignore[no-any-return]
    values = func.json_each(parameter).table_valued("value")
    return column.in_(select(literal_column("value")).select_from(values))  # type: ignore[no-any-return]


def among(column: Any, ids: Sequence[int], dialect: str) -> ColumnElement[bool]:
    """`column` is one of these ids, for a statement that is built with them."""
    return listed(column, bindparam(None, packed(ids, dialect), unique=True), dialect)


def json_of(dialect: str, name: str, value: Any) -> Any:
    """`{name: value}` built inside the database."""
    build = func.json_build_object if dialect == "postgresql" else func.json_object
    return build(name, value)
