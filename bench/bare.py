"""The yardstick of the USSD door: the least a Flask endpoint can do that finds a row by its index and updates it.

`/core` does it with SQLAlchemy Core on the engine that the service itself uses, `/psycopg` with the driver alone. Same web
server, same settings, same database.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import psycopg
from flask import Flask, Response, request
from sqlalchemy import BigInteger, Column, DateTime, MetaData, String, Table, bindparam, select, update
from sqlalchemy.engine import make_url

from core.config import load
from core.db import make_engine
from core.serving import serve

METADATA = MetaData()
CALLER = Table(
    "bare_caller",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("msisdn", String(20), nullable=False, unique=True),
    Column("name", String(40), nullable=False),
    Column("hops", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True)),
)
FIND = select(CALLER.c.id, CALLER.c.name, CALLER.c.hops).where(CALLER.c.msisdn == bindparam("phone"))
COUNT = update(CALLER).where(CALLER.c.id == bindparam("caller")).values(hops=bindparam("more"), seen_at=bindparam("at"))
FIND_SQL = "SELECT id, name, hops FROM bare_caller WHERE msisdn = %s"
COUNT_SQL = "UPDATE bare_caller SET hops = %s, seen_at = %s WHERE id = %s"


def make() -> Flask:
    """The application of one server process."""
    url = load().database.url
    engine = make_engine(url)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connections: list[psycopg.Connection] = []
    web = Flask("bare", static_folder=None)

    @web.post("/core")
    def through_core() -> Response:
        with engine.begin() as connection:
            row = connection.execute(FIND, {"phone": request.form["phoneNumber"]}).one()
            connection.execute(COUNT, {"caller": row.id, "more": row.hops + 1, "at": datetime.now(UTC)})
        return _text(f"CON {row.name}: {row.hops}")

    @web.post("/psycopg")
    def through_psycopg() -> Response:
        if not connections:
            connections.append(psycopg.connect(plain))
        with connections[0].transaction(), connections[0].cursor() as cursor:
            found = cursor.execute(FIND_SQL, [request.form["phoneNumber"]]).fetchone()
            assert found is not None
            id_, name, hops = found
            cursor.execute(COUNT_SQL, [hops + 1, datetime.now(UTC), id_])
        return _text(f"CON {name}: {hops}")

    return web


def _text(words: str) -> Response:
    return Response(words, content_type="text/plain; charset=utf-8")


if __name__ == "__main__":
    serve("bench.bare:make", "127.0.0.1", int(sys.argv[1]), int(sys.argv[2]))
