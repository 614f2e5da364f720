"""Lines and leases that run while their rows change: PPPoE and DHCP at the virtual router, RADIUS and accounting for real.

The rows are written as the shop writes them, by the adapter; then the promise is kept that the shop makes with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from core import customers, network, subscriptions
from core.audit import AuditEntry
from core.catalog import Package, Profile
from core.network.steering import bare, news_of
from core.ports import Access
from core.radius_tables import radacct
from core.rates import Speed
from core.tasks import Settle
from sim.routeros.dhcp import DhcpClient
from sim.routeros.ppp_clients import PppoeClient
from tests.journeys.told import assert_nothing_owed, buy, change
from tests.town import Town

USER, PASSWORD, MAC = "amina.home", "machine-made-1", "02:00:5E:10:00:11"
QUEUES, LEASES = "/queue/simple", "/ip/dhcp-server/lease"


@dataclass
class Rows:
    """What the shop allows one name, and the router where it is used."""

    town: Town
    access: Access
    lease: bool = False

    def are(self, **facts: Any) -> None:
        """From now on it is so; whatever follows from it happens."""
        town, self.access = self.town, replace(self.access, **facts)
        with town.app.work(town.shop.tenant_id) as uow:
            said = news_of(uow, [self.access], {bare(self.access.username)}).get(self.access.username, "")
        town.app.world(town.shop.tenant_id).access.apply([self.access])
        with town.app.work(town.shop.tenant_id) as uow:
            router_id = network.find_router(uow, "market").id
            uow.later(Settle(self.access.username, router_id, self.lease, said))
        town.work_off()

    @property
    def orders(self) -> list[str]:
        """What the router answered to orders, in order."""
        return [code for kind, code, _, _ in self.town.router.radius_log if kind == "incoming"]

    @property
    def became(self) -> list[str]:
        """What it took, according to the books."""
        with self.town.app.work(self.town.shop.tenant_id) as uow:
            found = uow.session.query(AuditEntry).filter_by(event="session.settled").order_by(AuditEntry.id)
            return [str(entry.facts["how"]) for entry in found]


@pytest.fixture
def rows(town: Town) -> Rows:
    """Amina's line is paid for an hour."""
    set_up_lines(town)
    for name, ranges in (("homes", "10.66.0.2-10.66.0.9"), ("duka-suspended", "10.67.0.2-10.67.0.9")):
        town.router.run("/ip/pool/add", name=name, ranges=ranges)
    access = Access(
        USER, allowed=True, service="ppp", password=PASSWORD, tenant_id=town.shop.tenant_id, subscription_id=5,
        expires_at=town.clock.now() + timedelta(hours=1), upload_kbps=2000, download_kbps=5000,
    )  # fmt: skip
    found = Rows(town, access)
    found.are()
    return found


@pytest.fixture
def line(rows: Rows) -> PppoeClient:
    line = rows.town.router.dial_in(USER, PASSWORD, MAC)
    assert line.online, line.error
    return line


def set_up_lines(town: Town) -> str:
    """The town's router takes lines; the MAC password it has."""
    with town.app.work(town.shop.tenant_id) as uow:
        router = network.find_router(uow, "market")
        secret, mac_password = router.radius_secret, router.mac_auth_password
    asked = ("127.0.0.1", town.radius.auth_port, town.radius.acct_port, secret)
    town.router.set_up_pppoe(*asked)
    town.router.set_up_dhcp(*asked, mac_password)
    return mac_password


def sold_line(town: Town, profile: Profile | None = None, **facts: object) -> tuple[PppoeClient, Package]:
    """The caller has a login, a package for it, and a router at home that dials in."""
    set_up_lines(town)
    who = town.customer()
    package = town.package(**facts)
    with town.app.work(town.shop.tenant_id) as uow:
        login = customers.add_login(uow, who, USER)
        password = login.password
        package = uow.session.merge(package)
        package.service, package.profile = "ppp", profile or Profile()
    buy(town, package)
    line = town.router.dial_in(USER, password, MAC)
    assert line.online, line.error
    return line, package


def speed_of(town: Town) -> str:
    (queue,) = town.router.rows(QUEUES)
    return queue["max-limit"]


# ---- by an order, while the line stays up ------------------------------------------------------------------------------


def test_a_new_speed_reaches_the_line_while_it_stays_up(rows: Rows, line: PppoeClient, town: Town) -> None:
    first = line.session_id
    rows.are(upload_kbps=8000, download_kbps=20_000)
    assert (speed_of(town), line.session_id) == ("8000000/20000000", first)
    assert (rows.orders, rows.became) == (["CoA-ACK"], ["told"])
    assert_nothing_owed(town)


def test_a_renewal_lengthens_the_line(rows: Rows, line: PppoeClient, town: Town) -> None:
    first = line.session_id
    rows.are(expires_at=town.clock.now() + timedelta(hours=3))
    town.pass_time(2 * 3600, step_seconds=300)
    assert line.session_id == first
    town.pass_time(3600, step_seconds=300)
    assert not line.online


def test_a_group_reaches_the_line(rows: Rows, line: PppoeClient, town: Town) -> None:
    town.router.run("/ppp/profile/add", name="slow", rate_limit="64k/64k", remote_address="pppoe")
    first = line.session_id
    rows.are(upload_kbps=None, download_kbps=None, replies=(("Mikrotik-Group", "slow"),))
    town.pass_time(2)
    assert line.session_id != first, "a rate cannot be taken away by an order"
    second = line.session_id
    rows.are(replies=(("Mikrotik-Group", "slow"), ("Idle-Timeout", "900")))
    assert (speed_of(town), line.session_id) == ("64000/64000", second)
    assert rows.became[-1] == "told"


def test_what_is_so_already_is_left_in_peace(rows: Rows, line: PppoeClient) -> None:
    rows.are()
    assert (rows.orders, rows.became) == ([], ["as it is"])


# ---- by dialling again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "address"),
    [(("Framed-Pool", "homes"), "10.66.0.2"), (("Framed-IP-Address", "10.68.0.1"), "10.68.0.1")],
    ids=["pool", "fixed address"],
)
def test_an_address_comes_with_the_next_dialling_which_is_at_once(
    rows: Rows, line: PppoeClient, town: Town, reply: tuple[str, str], address: str
) -> None:
    rows.are(replies=(reply,))
    town.pass_time(2)
    assert line.address == address
    assert (rows.orders, rows.became) == (["Disconnect-ACK"], ["hung up"])
    assert_nothing_owed(town)


def test_another_subscription_pays_from_a_session_of_its_own(rows: Rows, line: PppoeClient, town: Town) -> None:
    first = line.session_id
    rows.are(subscription_id=7)
    town.pass_time(2)
    assert line.online
    assert line.session_id != first


# ---- the end -----------------------------------------------------------------------------------------------------------


def test_a_line_that_is_not_paid_any_more_is_hung_up_and_stays_out(rows: Rows, line: PppoeClient, town: Town) -> None:
    rows.are(allowed=False)
    assert not line.online
    assert (rows.orders, rows.became) == (["Disconnect-ACK"], ["hung up"])
    town.pass_time(60)
    assert not line.online


def test_a_suspended_line_finds_itself_in_the_walled_network_until_it_may_leave(
    rows: Rows, line: PppoeClient, town: Town
) -> None:
    rows.are(blocked="suspended", redirects=True, kept=True, allowed=False)
    town.pass_time(2)
    assert line.address == "10.67.0.2"
    assert speed_of(town) == "1000000/1000000"
    walled = line.session_id
    rows.are()
    assert line.session_id == walled, "who is there already is not chased about"
    with town.app.work(town.shop.tenant_id) as uow:
        uow.session.execute(delete(radacct))
    rows.are()
    assert line.session_id == walled, "not even when its Start was lost"
    rows.are(blocked="", allowed=True, kept=False)
    town.pass_time(2)
    assert line.address == "10.30.0.2"
    assert speed_of(town) == "2000000/5000000"


# ---- routers that do not do as they are told ---------------------------------------------------------------------------

UNWILLING = {
    "NAK": lambda town: town.router.faults.nak_coa(406),
    "silence": lambda town: town.router.faults.ignore_coa(),
    "a lie": lambda town: town.router.faults.lie_about_coa(),
}
fails = pytest.mark.parametrize("fault", UNWILLING.values(), ids=UNWILLING.keys())


@fails
def test_where_an_order_fails_the_line_dials_again(
    rows: Rows, line: PppoeClient, town: Town, fault: Callable[[Town], None]
) -> None:
    first = line.session_id
    fault(town)
    rows.are(upload_kbps=8000, download_kbps=20_000)
    town.pass_time(2)
    assert (speed_of(town), rows.became) == ("8000000/20000000", ["taken away"])
    assert line.session_id != first
    assert_nothing_owed(town)


@fails
def test_where_an_order_fails_the_api_hangs_up(
    rows: Rows, line: PppoeClient, town: Town, fault: Callable[[Town], None]
) -> None:
    fault(town)
    rows.are(allowed=False)
    town.pass_time(60)
    assert (line.online, rows.became) == (False, ["taken away"])
    assert_nothing_owed(town)


def test_without_the_api_orders_are_given_and_looked_at_later(rows: Rows, line: PppoeClient, town: Town) -> None:
    first = line.session_id
    town.router.faults.unreachable()
    rows.are(upload_kbps=8000, download_kbps=20_000)
    assert speed_of(town) == "8000000/20000000"
    assert rows.became == []
    town.router.faults.reachable()
    town.pass_time(300)
    assert line.session_id == first
    assert rows.became[-1] in ("as it is", "told")
    assert_nothing_owed(town)


def test_a_line_accounting_has_never_heard_of_is_found_all_the_same(rows: Rows, line: PppoeClient, town: Town) -> None:
    with town.app.work(town.shop.tenant_id) as uow:
        uow.session.execute(delete(radacct))
    rows.are(allowed=False)
    assert (line.online, rows.became) == (False, ["taken away"])


# ---- from the counter to the line --------------------------------------------------------------------------------------


def test_a_line_sold_at_the_counter_follows_its_subscription(town: Town) -> None:
    line, package = sold_line(town)
    first = line.session_id
    assert speed_of(town) == "2000000/5000000"
    change(town, lambda _uow, row: setattr(row, "upload_kbps", 8000))
    assert (speed_of(town), line.session_id) == ("8000000/5000000", first)
    buy(town, package)
    town.pass_time(4 * 3600, step_seconds=600)
    assert line.session_id == first, "the renewal reached the line before its old end"
    change(town, subscriptions.suspend)
    assert not line.online
    town.pass_time(60)
    assert not line.online
    change(town, subscriptions.resume)
    town.pass_time(20)
    assert line.online
    assert_nothing_owed(town)


def test_fair_use_slows_a_line_down_and_a_renewal_makes_it_fast_again(town: Town) -> None:
    slow = Profile(slow=Speed(upload_kbps=128, download_kbps=256))
    line, package = sold_line(town, slow, quota_bytes=100_000_000)
    first = line.session_id
    line.move_traffic(20_000_000, 90_000_000)
    town.pass_time(300, step_seconds=60)
    assert (speed_of(town), line.session_id) == ("128000/256000", first)
    buy(town, package)
    assert (speed_of(town), line.session_id) == ("2000000/5000000", first)
    assert_nothing_owed(town)


# ---- leases ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def leased(rows: Rows) -> tuple[Rows, DhcpClient]:
    """A device on a fixed line, paid like a hotspot's."""
    access = replace(rows.access, username=MAC, service="mac", password=None)
    held = Rows(rows.town, access, lease=True)
    held.are()
    client = rows.town.router.ask_for_address(MAC)
    assert client.address, client.error
    return held, client


def test_a_new_speed_comes_with_a_new_lease(leased: tuple[Rows, DhcpClient], town: Town) -> None:
    held, client = leased
    held.are(upload_kbps=8000, download_kbps=20_000)
    assert (held.orders, held.became[-1]) == ([], "taken away")
    town.pass_time(1800, step_seconds=300)
    assert client.address
    assert speed_of(town) == "8000000/20000000"


def test_a_lease_that_is_not_paid_any_more_is_taken_away(leased: tuple[Rows, DhcpClient], town: Town) -> None:
    held, client = leased
    held.are(allowed=False)
    assert town.router.rows(LEASES) == []
    town.pass_time(3600, step_seconds=600)
    assert client.address == ""
