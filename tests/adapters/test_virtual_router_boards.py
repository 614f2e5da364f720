"""Boards and versions of the virtual router: what is in the box, what the factory set up, and what 6.49 does not know."""

from __future__ import annotations

import pytest

from sim.routeros import ManualClock, Trap, VirtualRouter
from sim.routeros.board import BOARDS
from tests.adapters.test_virtual_router_kit import eventually

ADMIN_PASSWORD = ""


def router_of(board: str, version: str = "7.21.5", **extra: str) -> VirtualRouter:
    return VirtualRouter(version=version, board=board, clock=ManualClock(), **extra)


def names(router: VirtualRouter, menu: str) -> list[str]:
    return [row["name"] for row in router.rows(menu)]


def test_an_empty_box_has_its_ports_and_radios_and_nothing_else() -> None:
    with router_of("hAP ax^2") as router:
        router.reset(no_defaults=True)
        assert names(router, "/interface") == [f"ether{port}" for port in range(1, 6)] + ["wifi1", "wifi2"]
        assert [row["disabled"] for row in router.rows("/interface/wifi")] == ["true", "true"]
        for menu in ("/interface/bridge", "/ip/address", "/ip/dhcp-server", "/ip/firewall/filter", "/ip/pool"):
            assert router.rows(menu) == []
        assert router.run("/system/identity/print")[0]["name"] == "MikroTik"
        assert names(router, "/user") == ["admin"]
        assert router.around.networks == []


def test_the_factory_puts_one_lan_behind_a_guarded_first_port() -> None:
    with router_of("hAP lite", "6.49.18") as router:
        router.reset(no_defaults=False)
        assert [row["interface"] for row in router.rows("/interface/bridge/port")] == [
            "ether2", "ether3", "ether4", "wlan1",
        ]  # fmt: skip
        assert [row["address"] for row in router.rows("/ip/address")] == ["192.168.88.1/24"]
        (network,) = router.around.networks
        assert (network.ssid[:9], network.behind, network.passphrase) == ("MikroTik-", "bridge", "")
        phone = router.around.join(network.ssid, "AA:BB:CC:00:00:09")
        assert phone.lease is not None
        assert (phone.lease.address, phone.lease.gateway, phone.lease.dns) == (
            "192.168.88.10", "192.168.88.1", ("192.168.88.1",),
        )  # fmt: skip
        assert router.around.admits("winbox", "bridge")
        assert not router.around.admits("winbox", "ether1")


def test_only_the_administrator_without_a_password_is_left_after_a_reset() -> None:
    with router_of("hAP ac^2") as router:
        router.reset(no_defaults=True)
        assert (router.password_of("duka"), router.password_of("admin")) == (None, ADMIN_PASSWORD)


def test_a_reset_can_be_typed() -> None:
    with VirtualRouter() as router:
        router.run("/ip/pool/add", name="mine", ranges="10.0.0.2-10.0.0.9")
        boots = router.machine.boot_number
        with pytest.raises(Trap, match="keep-users is not part"):
            router.run("/system/reset-configuration", keep_users="yes")
        router.run("/system/reset-configuration", no_defaults="yes")
        eventually(lambda: names(router, "/user") == ["admin"], "the reset")
        assert router.rows("/ip/pool") == []
        assert router.machine.boot_number == boots


@pytest.mark.parametrize(("board", "prefix"), [("hAP ac^2", "flash/"), ("hAP ax^2", "")])
def test_on_boards_with_flash_only_what_lies_there_survives_a_reboot(board: str, prefix: str) -> None:
    with router_of(board) as router:
        profile = router.run("/ip/hotspot/profile/print")[0]
        assert profile["html-directory"] == f"{prefix}hotspot"
        assert router.files.read(f"{prefix}hotspot/login.html") is not None
        router.files.write("setup.rsc", b":put 1")
        router.files.write("flash/kept.rsc", b":put 2")
        router.reboot()
        assert router.files.read("flash/kept.rsc") == b":put 2"
        assert (router.files.read("setup.rsc") is None) == (prefix == "flash/")
        assert ("setup.rsc" in names(router, "/file")) == (prefix == "")


@pytest.mark.parametrize(
    ("board", "version", "there", "missing"),
    [
        ("hAP ac^2", "7.21.5", "/interface/wireless", ""),
        ("hAP ax^2", "7.21.5", "/interface/wifi", "/interface/wireless"),
        ("hEX", "7.18.2", "/interface/wireguard", "/interface/wireless"),
        ("hAP lite", "6.49.18", "/interface/wireless", "/interface/wifi"),
        ("hEX", "6.49.18", "/system/routerboard", "/interface/wireguard"),
        ("CHR", "7.21.5", "/system/device-mode", "/system/routerboard"),
        ("CHR", "6.49.18", "/ip/hotspot", "/system/device-mode"),
    ],
)
def test_a_driver_or_a_feature_that_is_missing_is_a_menu_that_is_missing(
    board: str, version: str, there: str, missing: str
) -> None:
    with router_of(board, version) as router:
        router.run(f"{there}/print")
        if missing:
            with pytest.raises(Trap, match="no such command"):
                router.run(f"{missing}/print")


def test_a_box_that_does_not_exist_cannot_be_bought() -> None:
    with pytest.raises(ValueError, match="no board"):
        VirtualRouter(board="hAP be^9")
    with pytest.raises(ValueError, match="does not run RouterOS 6"):
        VirtualRouter(board="hAP ax^2", version="6.49.18")
    with pytest.raises(ValueError, match="no device mode"):
        VirtualRouter(device_mode="kiosk")


def test_every_board_can_be_furnished_in_every_version_it_runs() -> None:
    for board in BOARDS.values():
        for version in ("6.49.18", "7.18.2", "7.21.5"):
            if int(version[0]) in board.majors:
                with router_of(board.name, version) as router:
                    router.reset(no_defaults=False)
                    assert len(router.rows("/interface/ethernet")) == board.ethernets


def test_six_sets_its_clock_by_other_words() -> None:
    with router_of("hAP lite", "6.49.18") as old, router_of("hAP lite") as new:
        old.run("/system/ntp/client/set", enabled="yes", primary_ntp="10.0.0.1", server_dns_names="pool.ntp.org")
        new.run("/system/ntp/client/set", enabled="yes", servers="10.0.0.1,pool.ntp.org")
        with pytest.raises(Trap, match="unknown parameter servers"):
            old.run("/system/ntp/client/set", servers="10.0.0.1")
        with pytest.raises(Trap, match="unknown parameter primary-ntp"):
            new.run("/system/ntp/client/set", primary_ntp="10.0.0.1")


def test_six_creates_dhcp_servers_and_clients_switched_off() -> None:
    for version, state in (("6.49.18", "true"), ("7.21.5", "false")):
        with router_of("hAP lite", version) as router:
            router.run("/ip/dhcp-server/add", interface="bridge", name="d")
            router.run("/ip/dhcp-client/add", interface="ether1")
            assert [row["disabled"] for menu in ("server", "client") for row in router.rows(f"/ip/dhcp-{menu}")] == [
                state, state,
            ]  # fmt: skip


def test_six_writes_dates_in_its_own_way() -> None:
    with router_of("hAP lite", "6.49.18") as old, router_of("hAP lite") as new:
        for router, day in ((old, "mar/02/2026"), (new, "2026-03-02")):
            router.run("/log/info", message="hello")
            assert router.rows("/log")[-1]["time"].split(" ")[0] == day
            assert router.run("/system/clock/print")[0]["date"] == day


def test_rights_have_the_names_of_the_version() -> None:
    with router_of("hAP lite", "6.49.18") as old, router_of("hAP lite") as new:
        old.run("/user/group/add", name="g", policy="read,dude")
        with pytest.raises(Trap, match="input does not match any value of policy"):
            old.run("/user/group/add", name="h", policy="rest-api")
        with pytest.raises(Trap, match="input does not match any value of policy"):
            new.run("/user/group/add", name="g", policy="read,dude")


@pytest.mark.parametrize(
    ("mode", "hotspot", "scheduler"), [("home", False, False), ("basic", False, True), ("advanced", True, True)]
)
def test_a_device_mode_forbids_what_it_forbids(mode: str, hotspot: bool, scheduler: bool) -> None:
    with router_of("hAP ax^2", device_mode=mode) as router:
        for menu, allowed, values in (
            ("/ip/hotspot", hotspot, {"interface": "bridge", "disabled": "no"}),
            ("/system/scheduler", scheduler, {"name": "s", "on_event": ":put 1"}),
        ):
            if allowed:
                router.run(f"{menu}/add", **values)
            else:
                with pytest.raises(Trap, match="not allowed by device-mode"):
                    router.run(f"{menu}/add", **values)
        if mode == "home":
            with pytest.raises(Trap, match="not allowed by device-mode"):
                router.run("/tool/fetch", url="http://127.0.0.1:9/x")


def test_the_device_mode_survives_a_reset() -> None:
    with router_of("hAP ax^2", device_mode="home") as router:
        router.reset(no_defaults=True)
        assert router.run("/system/device-mode/print")[0]["hotspot"] == "false"
