"""Cards: FreeRADIUS answers from what was understood when rows were written, whoever wrote them (decision 0015)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from core import migrations
from core.db import make_engine
from core.network import Entitlement
from radius.rows import SEVERAL, Meaning, understand
from tests import services
from tests.freeradius.house import MAC, House, ask, login
from tests.freeradius_server import FreeRadius

SEED = 20261120
NAMES = ("02:00:00:00:00:01", "juma", "juma@lake")
CHECKS = (
    ("Expiration", ("2000000000", "1", "", "soon", "99999999999")),
    ("Cleartext-Password", ("k3tchup 4 two", "\\o/", '"quoted"', "tab\t", "")),
    ("Simultaneous-Use", ("1", "3", "0", "1000", "007")),
    ("Auth-Type", ("Accept",)),
)
REPLIES = (
    ("Mikrotik-Rate-Limit", ("2M/5M", "fast", "1M")),
    ("Acct-Interim-Interval", ("300", "5", "0060", "0")),
    ("Session-Timeout", ("600", "0", "2147483648")),
    ("Class", ("duka:7", "duka:")),
    ("Mikrotik-Address-List", ("gold", "a\\b", "'single'", "")),
    ("Framed-Route", ("10.0.0.0/8 10.1.1.1", "10.0.0.1/8")),
    ("Framed-MTU", ("1400",)),
)
QUICKLY = "-c synchronous_commit=off -c deadlock_timeout=20ms"
CARD = (
    "SELECT standing, expires, several, own_timeout, interim, attributes, ops, services, words, hours, metered_on"
    " FROM radius_card.card WHERE username = %s"
)
USER = "SELECT username, service, metered, hours, language, redirects, blocked FROM radius_user WHERE username = %s"
COMPUTED = {
    False: ["Session-Timeout"],
    True: ["Session-Timeout", "Mikrotik-Total-Limit", "Mikrotik-Total-Limit-Gigawords"],
}
"""What a card promises beside its own replies, for who is not metered and for who is."""
ANSWER = (["Duka-Card", "Port-Limit", "Session-Timeout"], [":=", ":=", ":="])
SERVICES = {"mac": ["hotspot", "dhcp"], "ppp": ["ppp"], "code": ["hotspot"], "smoke": []}
HOURS = ("", "", "0-60", "9-5")
ALL_CARDS = "SELECT * FROM radius_card.card ORDER BY username"


@pytest.fixture
def url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """A migrated database of this test's own, as psycopg reads it."""
    with services.postgres_database(postgres_url, migrated_template) as made:
        yield made.replace("+psycopg", "")


def edit(connection: psycopg.Connection, dice: random.Random) -> None:
    """Something that somebody does who knows nothing of cards."""
    if dice.random() < 0.15:
        register(connection, dice, dice.choice(NAMES))
        return
    table, known = dice.choice((("radcheck", CHECKS), ("radreply", REPLIES)))
    name, other = dice.choice(NAMES), dice.choice(NAMES)
    attribute, values = dice.choice(known)
    one = (name, attribute)
    kind = dice.random()
    if kind < 0.3:
        pay(connection, dice, name)
    elif kind < 0.6:
        add = f"INSERT INTO {table} (username, attribute, op, value) VALUES (%s, %s, '=', %s)"
        connection.execute(add, (*one, values[0] if dice.random() < 0.7 else dice.choice(values)))
    elif kind < 0.75:
        change = f"UPDATE {table} SET value = %s WHERE username = %s AND attribute = %s"
        connection.execute(change, (dice.choice(values), *one))
    elif kind < 0.8:
        connection.execute(f"UPDATE {table} SET username = %s WHERE username = %s", (other, name))
    elif kind < 0.98:
        connection.execute(f"DELETE FROM {table} WHERE username = %s AND attribute = %s", one)
    else:
        connection.execute(f"TRUNCATE {table}")


def register(connection: psycopg.Connection, dice: random.Random, name: str) -> None:
    """What stock rows cannot say of a name, or nothing any more."""
    kind = dice.random()
    if kind < 0.15:
        connection.execute("DELETE FROM radius_user WHERE username = %s", (name,))
    elif kind < 0.18:
        connection.execute("TRUNCATE radius_user")
    else:
        facts = (
            dice.choice(list(SERVICES)),
            dice.random() < 0.5,
            dice.choice(HOURS),
            *dice.choice((("sw", True), ("en", False))),
        )
        connection.execute(
            "INSERT INTO radius_user (username, service, metered, hours, language, redirects, blocked, subscription_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 7) ON CONFLICT (username) DO UPDATE SET service = excluded.service,"
            " metered = excluded.metered, hours = excluded.hours, language = excluded.language,"
            " redirects = excluded.redirects, blocked = excluded.blocked",
            (name, *facts, dice.choice(("", "", "suspended"))),
        )


def pay(connection: psycopg.Connection, dice: random.Random, name: str) -> None:
    """Rows of one name as they should be, in two statements for each table."""
    for table, known, needed in (("radcheck", CHECKS[:3], CHECKS[:1]), ("radreply", REPLIES[:6], ())):
        pairs = {*needed, *dice.sample(known, dice.randint(0, 3))}
        connection.execute(f"DELETE FROM {table} WHERE username = %s", (name,))
        if pairs:
            connection.execute(
                f"INSERT INTO {table} (username, attribute, value) SELECT %s, * FROM unnest(%s::text[], %s::text[])",
                (name, [attribute for attribute, _ in pairs], [values[0] for _, values in pairs]),
            )


def expected(check: list[tuple[str, str]], reply: list[tuple[str, str]]) -> Meaning | None:
    """What the embedded server reads in these rows; None for rows that let nobody in."""
    try:
        return understand(Entitlement(check, reply))
    except ValueError:
        return None


def test_a_card_says_what_the_rows_say_after_any_edit(url: str) -> None:
    dice, seen = random.Random(SEED), Counter[str]()
    with psycopg.connect(url, autocommit=True, options=QUICKLY) as connection:
        for _ in range(2000):
            edit(connection, dice)
            name = dice.choice(NAMES)
            check, reply = (
                connection.execute(
                    f"SELECT attribute, value FROM {table} WHERE username = %s ORDER BY id", (name,)
                ).fetchall()
                for table in ("radcheck", "radreply")
            )
            user = connection.execute(USER, (name,)).fetchone()
            card = connection.execute(CARD, (name,)).fetchone()
            if not check and not reply and user is None:
                assert card is None
                seen["none"] += 1
                continue
            assert card is not None
            meaning = expected(check, reply) if check else None
            assert card[0] == standing(check, user, meaning), (check, reply, user)
            seen[card[0]] += 1
            if user is not None:
                assert card[8:10] == (
                    f"{'walled' if user[5] else '-'} {user[4]}",
                    user[3] if user[3] == "0-60" else None,
                )
                assert card[10] == (7 if user[2] else None)
            if meaning is not None:
                assert card[1:3] == (meaning.expires_epoch, meaning.sessions_max)
                assert (card[3] or 2**31 - 1, card[4]) == (meaning.session_seconds, meaning.interim_seconds)
                word = [] if meaning.password in (None, "") or ":" in name else ["Cleartext-Password"]
                own = [attribute for attribute, _ in meaning.replies]
                assert card[5] == ["Duka-Card", *word, *own, *COMPUTED[user is not None and user[2]]]
                assert card[6] == ["+=" if attribute in SEVERAL else ":=" for attribute in card[5]]
            if check and user is not None:
                assert card[7] == SERVICES[user[1]]
    assert set(seen) == {"none", "unknown", "not_paid", "bad_rows", "suspended", ""}
    assert min(seen.values()) > 20, seen


def standing(check: list[tuple[str, str]], user: tuple[Any, ...] | None, meaning: Meaning | None) -> str:
    """Which of the checks that no moment changes fails first, the service apart."""
    if not check:
        return "unknown"
    if user is None:
        return "not_paid"
    return "bad_rows" if meaning is None or user[3] == "9-5" else user[6]


def test_two_who_write_one_name_at_once_leave_a_card_of_both(url: str) -> None:
    """The one that waits has not seen the other's rows when it begins, and has when it goes on."""
    with psycopg.connect(url) as first, psycopg.connect(url) as second, ThreadPoolExecutor(1) as meanwhile:
        for number, start in enumerate(("nothing", "rows")):
            name = f"juma{number}"
            if start == "rows":
                first.execute(
                    "INSERT INTO radreply (username, attribute, value) VALUES (%s, 'Class', 'duka:1')", (name,)
                )
                first.commit()
            first.execute("INSERT INTO radcheck (username, attribute, value) VALUES (%s, 'Expiration', '9')", (name,))
            first.execute("DELETE FROM radreply WHERE username = %s", (name,))
            waiting = meanwhile.submit(
                second.execute,
                "INSERT INTO radreply (username, attribute, value) VALUES (%s, 'Port-Limit', '2')",
                (name,),
            )
            services.eventually(lambda: _waits(first, second))
            first.commit()
            waiting.result(10)
            second.commit()
            assert (first.execute(CARD, (name,)).fetchone() or ())[:7] == ("not_paid", 9, None, None, None, *ANSWER)
            first.commit()


def _waits(asking: psycopg.Connection, other: psycopg.Connection) -> bool:
    found = asking.execute(
        "SELECT wait_event_type = 'Lock' FROM pg_stat_get_activity(%s)", (other.info.backend_pid,)
    ).fetchone()
    return found == (True,)


def test_who_does_not_see_what_others_commit_is_told_so(url: str) -> None:
    with psycopg.connect(url) as first, psycopg.connect(url) as second:
        second.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        second.execute("SELECT count(*) FROM radcheck")
        first.execute("INSERT INTO radcheck (username, attribute, value) VALUES ('juma', 'Expiration', '9')")
        first.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            second.execute("INSERT INTO radreply (username, attribute, value) VALUES ('juma', 'Class', 'duka:1')")


def test_many_writers_leave_cards_that_agree_with_the_rows(url: str) -> None:
    def write(number: int) -> None:
        dice = random.Random(SEED + number)
        with psycopg.connect(url, options=QUICKLY) as connection:
            for _ in range(100):
                try:
                    for _ in range(dice.randint(1, 3)):
                        edit(connection, dice)
                    connection.commit()
                except psycopg.errors.DeadlockDetected:  # two names, the other way round: as with any rows
                    connection.rollback()

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    with psycopg.connect(url) as connection:
        kept = connection.execute(ALL_CARDS).fetchall()
        connection.execute("DELETE FROM radius_card.card")
        connection.execute(
            "SELECT duka_write_cards(ARRAY(SELECT username FROM radcheck UNION SELECT username FROM radreply"
            " UNION SELECT username FROM radius_user))"
        )
        assert connection.execute(ALL_CARDS).fetchall() == kept


def test_who_may_write_stock_tables_only_need_not_know_of_cards(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest_of_the_tables")
        try:
            connection.execute("GRANT INSERT ON radcheck TO guest_of_the_tables")
            connection.execute("GRANT USAGE ON SEQUENCE radcheck_id_seq TO guest_of_the_tables")
            connection.execute("SET ROLE guest_of_the_tables")
            connection.execute("CREATE TEMPORARY TABLE radreply (username text, attribute text, value text, id bigint)")
            connection.execute("INSERT INTO pg_temp.radreply VALUES ('juma', 'Class', 'duka:666', 1)")
            connection.execute("INSERT INTO radcheck (username, attribute, value) VALUES ('juma', 'Expiration', '9')")
            connection.execute("RESET ROLE")
            card = connection.execute(CARD, ("juma",)).fetchone()
            assert card is not None
            assert card[:6] == ("not_paid", 9, None, None, None, ["Duka-Card", "Session-Timeout"])
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY guest_of_the_tables")
            connection.execute("DROP ROLE guest_of_the_tables")


def test_rows_that_were_there_before_cards_get_theirs(postgres_url: str) -> None:
    with services.postgres_database(postgres_url) as made:
        engine = make_engine(made)
        migrations.upgrade(engine, "0004")
        _insert(engine)
        migrations.upgrade(engine)
        assert _cards(engine) == ["juma"]
        migrations.downgrade(engine, "0006")
        _insert(engine)
        migrations.upgrade(engine)
        assert _cards(engine) == ["juma"]
        engine.dispose()


def _insert(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO radcheck (username, attribute, value) VALUES ('juma', 'Expiration', '9')"))


def _cards(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT username FROM radius_card.card")))


def test_what_somebody_else_writes_counts_at_the_next_login(server: FreeRadius, house: House) -> None:
    def by_hand(statement: str) -> str:
        with house.rows() as rows:
            rows.execute(text(statement))
        return ask(server, login())

    house.pay()
    assert ask(server, login()) == "Access-Accept"
    for table, spoil, mend in (
        ("radreply", "value = 'as fast as you can'", "value = '3M/3M'"),
        ("radreply", "attribute = 'Mikrotik-Rate-Limitt'", "attribute = 'Mikrotik-Rate-Limit'"),
        ("radcheck", "value = '1700000000'", "value = '2000000000'"),
    ):
        like = "Mikrotik-Rate%" if table == "radreply" else "Expiration"
        where = f"WHERE username = '{MAC}' AND attribute LIKE '{like}'"
        assert by_hand(f"UPDATE {table} SET {spoil} {where}") == "Access-Reject", spoil
        assert by_hand(f"UPDATE {table} SET {mend} {where}") == "Access-Accept", mend
    assert by_hand("TRUNCATE radreply") == "Access-Accept"
    assert by_hand(f"DELETE FROM radcheck WHERE username = '{MAC}'") == "Access-Reject"
