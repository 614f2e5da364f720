"""A voucher typed on a router's own login page: the same words, attributes and rows from both servers (decision 0022)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from core import catalog, vouchers
from core.audit import AuditEntry
from core.catalog import PPP
from core.outbox import Promise
from core.vouchers import Guess, Voucher
from core.vouchers.actions import TRIES_MAX, digest_of
from core.vouchers.claims import CLAIM_WINDOW
from tests.parity import wire
from tests.parity.asking import packet_for
from tests.parity.servers import SERVERS
from tests.parity.table import LAKE, MAC_PASSWORD, MARKET, Ask, Case, Router, Silence, paid
from tests.parity.world import Endpoint, World
from tests.services import eventually

_NUMBERS = count(40_000)
ACCEPT, REJECT = "Access-Accept", "Access-Reject"
CLAIMED = {"Mikrotik-Rate-Limit": "1M/1M", "Acct-Interim-Interval": 60, "Session-Timeout": 120}


def phone() -> Case:
    """Somebody new, with a device of their own."""
    return Case("a phone", Silence(), number=next(_NUMBERS))


@dataclass
class Counter:
    """One server, and the vouchers of its world's ISPs."""

    world: World
    server: Endpoint

    def issue(self, isp: int = 0, **facts: Any) -> str:
        with self.world.app.work(self.world.tenant_ids[isp]) as uow:
            return vouchers.issue(uow, catalog.package(uow, self.world.package_ids[isp]), **facts)

    def asks(self, who: Case, typed: str | bytes, **more: Any) -> wire.Reply | None:
        ask = Ask(password=typed, **more)
        raw, secret = packet_for(who, ask)
        with wire.bound(ask.router.address) as own:
            return wire.ask(own, self.server.auth_port, raw, secret)

    def words(self, who: Case, typed: str | bytes, **more: Any) -> tuple[str, str]:
        reply = self.asks(who, typed, **more)
        assert reply is not None
        return reply.code, str(dict(reply.attributes).get("Reply-Message", ""))

    def only(self, code: str) -> Voucher:
        with self.world.app.work(None) as uow:
            digest = digest_of(code)
            return uow.session.scalars(select(Voucher).where(Voucher.digest == digest)).one()

    def change(self, code: str, **values: Any) -> None:
        with self.world.app.engine.begin() as connection:
            digest = digest_of(code)
            connection.execute(update(Voucher).where(Voucher.digest == digest).values(**values))

    def promised(self, code: str) -> list[Promise]:
        voucher = self.only(code)
        with self.world.app.work(None) as uow:
            rows = uow.session.query(Promise).filter_by(kind="RedeemClaim")
            return [row for row in rows if row.payload == {"voucher_id": voucher.id}]

    def log(self, who: Case) -> list[str]:
        """What the log says of a device, once it is there."""
        mac = who.names()["mac"]

        def lines() -> list[tuple[str, str]]:
            with self.world.app.engine.connect() as connection:
                rows = connection.exec_driver_sql("SELECT username, reply FROM radpostauth ORDER BY id").all()
            return [(name.partition("@")[0], reply) for name, reply in rows]

        self.server.settle()
        eventually(lambda: mac in [name for name, _ in lines()], 20, "the log knows the device")
        return [reply for name, reply in lines() if name == mac]


@contextmanager
def counter(world: World, name: str) -> Iterator[Counter]:
    world.forget()
    with world.app.engine.begin() as connection:
        for table in (Guess, Voucher, Promise, AuditEntry):
            connection.execute(delete(table))
    with SERVERS[name](world) as server:
        world.greet(server)
        yield Counter(world, server)


@pytest.fixture
def till(worlds: Callable[[str], World], where: tuple[str, str]) -> Iterator[Counter]:
    with counter(worlds(where[1]), where[0]) as found:
        yield found


def test_a_good_code_lets_in_for_a_moment_and_is_promised_once(till: Counter) -> None:
    code, who = till.issue(), phone()
    for spelling in (code, f" {code[:5].lower()}-{code[5:]} ", code.replace("0", "o").replace("1", "l")):
        reply = till.asks(who, spelling)
        assert reply is not None and reply.signed_first
        assert (reply.code, dict(reply.attributes)) == (ACCEPT, CLAIMED)
    row, mac = till.only(code), who.names()["mac"]
    assert (row.claimed_by, row.redeemed_at) == (mac, None)
    assert row.claimed_at is not None and abs(datetime.now(UTC) - row.claimed_at) < timedelta(minutes=1)
    (promise,) = till.promised(code)
    assert (promise.tenant_id, promise.queue, promise.attempts) == (till.world.tenant_ids[0], "money", 0)
    assert promise.open and promise.due_at <= datetime.now(UTC)
    with till.world.app.work(till.world.tenant_ids[0]) as uow:
        (line,) = uow.session.query(AuditEntry).filter_by(event="voucher.claimed")
        assert (line.subject_type, line.subject_id, line.actor) == ("voucher", row.id, "system")
        assert line.facts == {"mac": mac, "router": till.world.router_ids["market"]}
    assert till.log(who) == [ACCEPT] * 3


def test_nobody_else_can_use_it(till: Counter) -> None:
    code = till.issue()
    assert till.words(phone(), code)[0] == ACCEPT
    who = phone()
    assert till.words(who, code) == (REJECT, "This code has been used already.")
    assert till.log(who) == ["Access-Reject (voucher_used)"]
    assert len(till.promised(code)) == 1


def test_what_is_no_good_is_said_in_the_language_of_the_place(till: Counter) -> None:
    now = datetime.now(UTC)
    voided, expired, redeemed, foreign = (till.issue() for _ in range(4))
    till.change(voided, voided_at=now)
    till.change(expired, expires_at=now - timedelta(seconds=2))
    till.change(redeemed, redeemed_at=now, redeemed_by=1)
    who = phone()
    assert till.words(who, voided) == till.words(who, expired) == (REJECT, "This code is no longer valid.")
    assert till.words(who, redeemed) == (REJECT, "This code has been used already.")
    assert till.words(who, "AAAAAAAAAA")[1].startswith("This code is not known.")
    assert till.words(phone(), foreign, router=LAKE) == (
        REJECT, "Nambari hii haijulikani. Iangalie tena kisha uiandike upya.",
    )  # fmt: skip
    assert till.promised(foreign) == []


def test_a_customer_is_told_in_their_own_language(till: Counter) -> None:
    who = replace(phone(), rows=paid(language="sw"))
    till.world.write(who, datetime.now(UTC))
    assert till.words(who, "AAAAAAAAAA")[1].startswith("Nambari hii haijulikani.")


def test_a_voucher_for_a_line_is_not_for_the_hotspot(till: Counter) -> None:
    with till.world.app.work(till.world.tenant_ids[0]) as uow:
        sold = catalog.publish(
            uow, code=f"L{next(_NUMBERS)}", name="A line", price=catalog.package(uow, till.world.package_ids[0]).price,
            duration_seconds=3600, service=PPP,
        )  # fmt: skip
        code = vouchers.issue(uow, sold)
    assert till.words(phone(), code) == (REJECT, "This login is for another kind of connection.")


def test_once_redeemed_the_rows_of_its_device_decide(till: Counter) -> None:
    code, who = till.issue(), phone()
    assert till.words(who, code)[0] == ACCEPT
    till.change(code, redeemed_at=datetime.now(UTC), redeemed_by=1)
    assert till.words(who, code)[1].startswith("No package for this device.")
    served = replace(who, rows=paid())
    till.world.write(served, datetime.now(UTC))
    reply = till.asks(served, code)
    assert reply is not None and dict(reply.attributes)["Mikrotik-Rate-Limit"] == "2M/5M"


def test_a_claim_that_is_never_redeemed_ends(till: Counter) -> None:
    code, who = till.issue(), phone()
    till.change(code, claimed_by=who.names()["mac"], claimed_at=datetime.now(UTC) - CLAIM_WINDOW + timedelta(minutes=1))
    assert till.words(who, code)[0] == ACCEPT
    till.change(code, claimed_at=datetime.now(UTC) - CLAIM_WINDOW - timedelta(seconds=2))
    assert till.words(who, code) == (
        REJECT, "Your code is right, but we could not give you your package yet. Please ask for help.",
    )  # fmt: skip


def test_guessing_ends(till: Counter) -> None:
    code, who = till.issue(), phone()
    said = [till.words(who, f"AAAAAAAA{number:02d}")[1] for number in range(20)]
    assert said == ["This code is not known. Look at it again and type it once more."] * TRIES_MAX + [
        "Too many wrong codes. Try again in an hour."
    ] * (20 - TRIES_MAX)
    assert till.words(who, code)[0] == REJECT
    with till.world.app.work(None) as uow:
        assert uow.session.query(Guess).count() == TRIES_MAX
    assert till.words(phone(), code)[0] == ACCEPT


def test_only_a_hotspots_form_in_clear_can_carry_a_code(till: Counter) -> None:
    code, who = till.issue(), phone()
    refused = (REJECT, "This login is not known here. Dial *384*35711# to buy.")
    for typed in (
        f"{code}\n",
        f"{code}'; --",
        f"{code}%{{User-Name}}",
        code[:7],
        f"{code}AB",
        "-" * 31 + code,
        f"{code}é",
    ):
        assert till.words(who, typed) == refused, typed
    assert till.words(who, code, method="chap") == refused
    assert till.words(who, code, how="dhcp", change=(("Calling-Station-Id", "{client}"),)) == refused
    assert till.words(who, code, method="both") == refused
    assert till.words(who, code, user="{other}")[1] == "This login belongs to another device."
    assert till.only(code).claimed_at is None
    with till.world.app.work(None) as uow:
        assert uow.session.query(Guess).count() == 0
    assert till.words(who, "-" * 15 + code + "_ ." * 5)[0] == ACCEPT


def test_every_sign_of_a_code_may_be_mistyped_in_the_usual_ways(till: Counter) -> None:
    """A code of nothing but zeros and ones, put there by hand: each sign has to be put right."""
    code = "1010101010"
    till.change(till.issue(), digest=digest_of(code))
    who = phone()
    for spelling in (code, "IOLOIOLOIO", "iolo-iolo-io", " l o I O l-O_i.o I o ", "-".join("lololololo") + "." * 21):
        assert till.words(who, spelling)[0] == ACCEPT, spelling


def test_the_log_knows_nobodys_code(till: Counter) -> None:
    code, who = till.issue(), phone()
    till.words(who, code)
    till.words(phone(), code)
    assert till.log(who) == [ACCEPT]
    with till.world.app.engine.connect() as connection:
        for table in ("radpostauth", "audit_entry", "promise", "voucher_guess"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()
            assert not [row for row in rows if code in str(row)], table


def test_two_phones_at_both_servers_at_once_and_one_has_it(worlds: Callable[[str], World], both: str) -> None:
    world = worlds(both)
    with counter(world, "embedded") as ours, ExitStack() as stack, ThreadPoolExecutor(4) as people:
        theirs = Counter(world, stack.enter_context(SERVERS["freeradius"](world)))
        world.greet(theirs.server)
        for _ in range(20):
            code, one, other = ours.issue(), phone(), phone()
            said = list(people.map(lambda each, code=code: each[0].words(each[1], code)[0], [  # type: ignore[misc]
                (ours, one), (theirs, other), (theirs, one), (ours, other),
            ]))  # fmt: skip
            assert said in ([ACCEPT, REJECT, ACCEPT, REJECT], [REJECT, ACCEPT, REJECT, ACCEPT])
            assert len(ours.promised(code)) == 1


def test_the_routers_own_password_is_no_code(till: Counter) -> None:
    served = replace(phone(), rows=paid())
    till.world.write(served, datetime.now(UTC))
    assert till.words(served, MAC_PASSWORD)[0] == ACCEPT
    router: Router = MARKET
    assert till.words(phone(), router.mac_password)[1].startswith("No package for this device.")
