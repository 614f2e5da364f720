"""From a box fresh out of its carton to the first sale: one pasted line, and a phone on its Wi-Fi buys and browses."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from alembic.command import stamp
from typer.testing import CliRunner

from cli.__main__ import app as duka
from core import migrations, network
from core.config import Settings
from sim.routeros import Trap, VirtualRouter
from sim.routeros.dialled import Concentrator
from sim.routeros.phones import NoAnswer, Phone, Reply
from sim.routeros.tunnel import ServerEnd
from tests.journeys.login_form import issue, told_by, type_code
from tests.journeys.told import order, pay, until_prompted
from tests.town import Town, open_town

SSID, MAC, VPN = 'Soko "Free" $1 [Wi-Fi]', "02:00:5E:10:A1:B2", "vpn.example.org"
PROBE, ELSEWHERE = "http://captive.apple.com/hotspot-detect.html", "http://www.example.org/healthz"
BOXES = {
    "7, empty": ("7.21.5", "hAP ax^2", True),
    "7, as the factory made it": ("7.21.5", "hAP ax^2", False),
    "7.18 with the old driver": ("7.18.2", "hAP ac^2", False),
    "6.49, empty": ("6.49.18", "hAP ac^2", True),
    "6.49, as the factory made it": ("6.49.18", "RB951Ui-2HnD", False),
}


def free_port(kind: socket.SocketKind) -> int:
    """Below those that the system gives away by itself, so that nobody takes it before the town does."""
    while True:
        number = 20_000 + secrets.randbelow(10_000)
        with socket.socket(socket.AF_INET, kind) as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", number))
            return number


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation that routers can find: every port is known beforehand, and tunnels have addresses on loopback, of which
    each run has its own, for the API's port is the same everywhere."""
    network = f"127.{20 + secrets.randbelow(200)}.{secrets.randbelow(256)}"
    web, auth, acct = (free_port(kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_DGRAM))
    parts = {
        "public_url": f"http://127.0.0.1:{web}",
        "portal": settings.portal.model_copy(update={"port": web}),
        "radius": settings.radius.model_copy(update={"host": f"{network}.1", "auth_port": auth, "acct_port": acct}),
        "tunnel": settings.tunnel.model_copy(update={"host": VPN, "subnet": f"{network}.0/24"}),
    }
    return settings.model_copy(update=parts)


@pytest.fixture
def town(settings: Settings) -> Iterator[Town]:
    with open_town(settings) as town:
        migrations.run(town.app.engine, stamp, "head")  # its tables were copied, and `duka` looks which they are
        town.package()
        yield town


@dataclass
class Bench:
    """A table with a box on it, a cable to the internet, and somebody who types `duka …` in the office."""

    town: Town
    folder: Path
    router: VirtualRouter

    def types(self, *words: str) -> str:
        """`duka …`; what it says."""
        settings, config = self.town.app.settings, self.folder / "config.toml"
        config.write_text(
            f'public_url = "{settings.public_url}"\n[database]\nurl = "{settings.database.url}"\n'
            f'[redis]\nurl = "{settings.redis.url}"\n[secrets]\nkey = "env:OUR_KEY"\n'
            f"[radius]\nauth_port = {settings.radius.auth_port}\nacct_port = {settings.radius.acct_port}\n"
            f'[tunnel]\nhost = "{VPN}"\nsubnet = "{settings.tunnel.subnet}"\n',
            encoding="utf-8",
        )
        env = {"DUKA_CONFIG": str(config), "COLUMNS": "200", "OUR_KEY": settings.secrets.key}
        result = CliRunner().invoke(duka, list(words), env=env)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def line(self) -> str:
        """The one line to paste, as `duka router install` prints it."""
        said = self.types("router", "install", "soko", "--site", "soko", "--ssid", SSID)
        (line,) = (each.strip() for each in said.splitlines() if "/tool fetch" in each)
        return line

    def open_our_end(self) -> None:
        """The owner gives our end of the tunnels what `duka tunnel server-config` writes."""
        with self.town.app.work(self.town.shop.tenant_id) as uow:
            tunnels, ours = network.all_tunnels(uow), network.tunnel_server(uow)
            wireguard = network.wireguard_config(ours, tunnels, uow.installation)
            dialling, secret = network.ppp_secrets(tunnels), ours.ipsec_secret
        self.router.around.know_server(ServerEnd.from_config(wireguard, VPN))
        self.router.around.know_concentrator(
            Concentrator.from_secrets(dialling, VPN, self.town.app.settings.radius.host, secret)
        )

    def set_up(self) -> str:
        """The line is pasted, and our end lets the tunnel in; what the script said."""
        line = self.line()
        self.open_our_end()
        shown = self.router.paste(line)
        assert "duka: fetching the script for this router" in shown, shown
        self.open_our_end()  # a box with RouterOS 6 has said only now that it dials in
        return (self.router.files.read("duka-setup.txt") or b"").decode()

    def configuration(self) -> dict[str, list[dict[str, str]]]:
        """Every row of every menu that the script wrote to, without what only counts."""
        menus = sorted(
            {path.rpartition("/")[0] for path, _ in self.router.api_commands if path.endswith(("add", "set"))}
        )
        left_out = {".id", "creation-time", "last-started", "run-count", "expires-after", "bytes", "packets"}
        return {
            menu: [{name: text for name, text in row.items() if name not in left_out} for row in self.router.rows(menu)]
            for menu in menus
        }  # fmt: skip


@pytest.fixture(params=list(BOXES.values()), ids=list(BOXES))
def bench(request: pytest.FixtureRequest, town: Town, tmp_path: Path) -> Iterator[Bench]:
    version, board, is_empty = request.param
    with VirtualRouter(version=version, board=board, clock=town.router_clock) as router:
        router.reset(no_defaults=is_empty)
        router.around.plug_uplink("ether1")
        router.around.internet.names |= {"www.example.org": "203.0.113.5", "captive.apple.com": "203.0.113.6"}
        router.around.internet.doors["203.0.113.5", 80] = ("127.0.0.1", town.app.settings.portal.port)
        town.router = router
        yield Bench(town, tmp_path, router)


def arrived(phone: Phone) -> str:
    """What its owner sees after joining: the phone looks whether it is free, and is led to the portal."""
    login = phone.browse(PROBE)
    assert login.by_router
    where = re.search(r'http-equiv="refresh" content="4;url=([^"]+)"', login.text)
    assert where is not None, login.text
    page = phone.browse(unescape(where[1]))
    assert (page.status, page.by_router) == (200, False)
    return unescape(page.text)


def refused(phone: Phone) -> bool:
    """Nothing of the internet is there before somebody pays."""
    reply: Reply = phone.get(ELSEWHERE)
    return reply.by_router and reply.status == 302


def in_step(town: Town) -> bool:
    """Our server reaches the router by its tunnel, and finds everything as it should be."""
    with town.app.look(town.shop.tenant_id) as uow:
        soko = network.find_router(uow, "soko")
        address, blueprint = network.address_of(uow, soko), network.blueprint_of(uow, soko)
    plan = town.app.world(town.shop.tenant_id).planner.plan(address, blueprint)
    assert (plan.steps, plan.collisions) == ((), ())
    return plan.in_step


def test_one_line_makes_a_shop_in_which_a_phone_buys_and_browses(bench: Bench) -> None:
    town, router, said = bench.town, bench.router, bench.set_up()
    assert "duka: done, the shop knows this router now" in said, said
    town.work_off()
    assert re.search(r"^soko .* online", bench.types("router", "list"), re.MULTILINE)
    phone = router.around.join(SSID, MAC)
    assert phone.address.startswith("10.20.")
    assert refused(phone)
    page = arrived(phone)
    assert "KES 20" in page and "*384*35711#" in page and "This device is called A1B2" in page
    town.work_off()
    order(town)
    until_prompted(town)
    pay(town)
    town.pass_time(31)
    assert phone.online
    assert phone.get(ELSEWHERE).text.startswith('{"due"')


@pytest.mark.first_database
def test_what_the_script_made_is_to_the_last_word_what_is_wanted(bench: Bench) -> None:
    bench.set_up()
    assert in_step(bench.town)


@pytest.mark.first_database
def test_the_same_line_pasted_again_does_no_harm(bench: Bench) -> None:
    line = bench.line()
    bench.open_our_end()
    bench.router.paste(line)
    before = bench.configuration()
    assert len(before) > 15
    bench.town.clock.advance(timedelta(minutes=10))
    bench.router.paste(line)
    assert bench.configuration() == before
    assert b"done" in (bench.router.files.read("duka-setup.txt") or b"")


@pytest.mark.first_database
def test_who_has_paid_comes_to_the_internet_and_not_to_the_routers_own_doors(bench: Bench) -> None:
    town, router = bench.town, bench.router
    bench.set_up()
    town.work_off()
    phone = router.around.join(SSID, MAC)
    arrived(phone)
    town.work_off()
    order(town)
    until_prompted(town)
    pay(town)
    town.pass_time(31)
    assert phone.online
    for name in ("api", "api-ssl", "winbox", "ssh", "telnet", "ftp", "www"):
        (service,) = [row for row in router.rows("/ip/service") if row["name"] == name and row.get("dynamic") != "true"]
        assert not router.around.admits(name, phone.interface, phone.address), name
        if name != "www":  # port 80 is the hotspot's, before the firewall is asked
            with pytest.raises(NoAnswer, match="dropped by the input firewall"):
                phone.browse(f"http://10.20.0.1:{service['port']}/")
    assert phone.get(ELSEWHERE).text.startswith('{"due"'), "names and pages are open"
    assert phone.browse("http://10.20.0.1/status").by_router
    assert in_step(town), "and we come in by the tunnel"


@pytest.mark.first_database
def test_nothing_of_the_factory_is_left_in_our_way_and_nothing_stays_open(bench: Bench) -> None:
    bench.set_up()
    for menu in ("/ip/firewall/filter", "/ip/firewall/nat", "/interface/bridge", "/ip/dhcp-server", "/ip/address"):
        assert [row for row in bench.router.rows(menu) if row.get("comment", "").startswith("defconf")] == []
    for service in ("api", "ssh", "winbox", "telnet", "ftp"):
        assert not bench.router.around.admits(service, "ether1")
    assert bench.router.files.read("duka-setup.rsc") is None
    assert bench.router.files.read("duka.rsc") is None


def test_while_the_portal_is_away_the_routers_own_page_says_what_to_dial(bench: Bench) -> None:
    town, router = bench.town, bench.router
    bench.set_up()
    town.work_off()
    phone = router.around.join(SSID, MAC)
    assert "*384*35711#" in phone.browse(PROBE).text
    town.work_off()
    order(town)
    until_prompted(town)
    pay(town)
    town.pass_time(31)
    assert phone.online


def test_while_the_portal_is_away_a_voucher_typed_on_the_routers_own_page_lets_in(bench: Bench) -> None:
    town, router = bench.town, bench.router
    bench.set_up()
    town.work_off()
    phone = router.around.join(SSID, MAC)
    page = type_code(phone, issue(town.app, town.shop.tenant_id), phone.browse(PROBE))
    assert phone.online and told_by(page) == "You are online."
    town.pass_time(180)
    assert phone.online
    assert phone.get(ELSEWHERE).text.startswith('{"due"')
    assert town.totals()["vouchers"] == -20_00


@pytest.mark.first_database
@pytest.mark.parametrize("minutes", [1, 60], ids=["while it works for the first", "later"])
def test_a_line_that_was_used_up_changes_nothing_on_another_box(bench: Bench, minutes: int) -> None:
    line = bench.line()
    bench.router.paste(line)
    bench.town.clock.advance(timedelta(minutes=minutes))
    with VirtualRouter(version="7.21.5", board="hAP ax^2", clock=bench.town.router_clock) as other:
        other.reset(no_defaults=True)
        other.around.plug_uplink("ether1")
        assert "404" in other.paste(line)
        assert other.rows("/ip/hotspot") == [] and other.rows("/user")[0]["name"] == "admin"


@pytest.mark.first_database
def test_a_set_up_that_stops_says_why_and_leaves_no_password_behind(bench: Bench) -> None:
    bench.router.run("/ip/pool/add", name="mine", ranges="192.0.2.1-192.0.2.9")
    bench.router.run("/interface/bridge/add", name="duka-lan", comment="my own")
    said = bench.set_up()
    assert "duka: stopped at duka: there is another /interface/bridge with name duka-lan: take it away" in said
    assert leftovers(bench.router) == []
    bench.router.run("/interface/bridge/remove", numbers="duka-lan")
    assert "duka: done" in bench.set_up()
    assert leftovers(bench.router) == []


@pytest.mark.first_database
def test_what_the_router_itself_refuses_is_named_by_its_place(bench: Bench) -> None:
    bench.router.on_command.append(refusing("/ip/dhcp-server/add"))
    assert "duka: stopped at /ip/dhcp-server lan" in bench.set_up()
    assert leftovers(bench.router) == []


@pytest.mark.first_database
def test_a_box_that_is_switched_off_in_the_middle_forgets_the_scripts_when_it_comes_back(bench: Bench) -> None:
    router = bench.router
    router.on_command.append(refusing("/execute"))
    assert "not today" in router.paste(bench.line())
    assert len(leftovers(router)) == 3
    router.reboot()
    bench.town.pass_time(10, 5)
    assert leftovers(router) == []


def refusing(command: str) -> Callable[[str, dict[str, str]], None]:
    """The router says no to this command."""

    def no(path: str, _arguments: dict[str, str]) -> None:
        if path == command:
            raise Trap("failure: not today")

    return no


def leftovers(router: VirtualRouter) -> list[str]:
    """Scripts, and who would take them away."""
    files = [name for name in ("duka.rsc", "duka-setup.rsc") if router.files.read(name) is not None]
    return [*files, *(row["name"] for row in router.rows("/system/scheduler"))]


@pytest.mark.first_database
def test_without_a_cable_the_line_says_so_and_changes_nothing_but_the_wan(bench: Bench) -> None:
    bench.router.around.unplug_uplink()
    bench.router.around.plug_uplink("ether3")
    shown = bench.router.paste(bench.line())
    assert "failure" in shown
    assert bench.router.rows("/ip/hotspot") == []
    with pytest.raises((ValueError, NoAnswer)):
        bench.router.around.join(SSID, MAC)
