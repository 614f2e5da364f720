"""Routers come, change and go while it runs; strangers are not answered."""

from __future__ import annotations

import subprocess
import time

from sqlalchemy import text

from core import network
from tests.freeradius.house import SECRET, House, ask, login, report, within
from tests.freeradius_server import FreeRadius
from tests.services import BUSY

SECONDS_MAX = 2.0 * BUSY
ODD_SECRET = "q'u\"o\\t%{User-Name}e${x}$ENV{HOME};#--"


def test_a_new_router_is_answered_within_two_seconds(server: FreeRadius, house: House) -> None:
    house.pay()
    assert ask(server, login(), source="127.0.0.2", seconds=0.2) == ""
    house.add_router("lake", "127.0.0.2", "another secret")
    asked = {"source": "127.0.0.2", "secret": "another secret"}
    within(SECONDS_MAX, lambda: ask(server, login(), seconds=0.2, **asked) == "Access-Accept")
    assert ask(server, report("Start"), kind="acct", **asked) == "Accounting-Response"


def test_twenty_new_routers_at_once_are_all_answered_within_two_seconds(server: FreeRadius, house: House) -> None:
    house.pay()
    addresses = [f"127.0.1.{number}" for number in range(1, 21)]
    for address in addresses:
        house.add_router(address, address)
    begun = time.monotonic()
    waiting = set(addresses)
    while waiting and time.monotonic() - begun < SECONDS_MAX:
        waiting -= {address for address in waiting if ask(server, login(), source=address, seconds=0.2)}
    assert waiting == set()


def test_a_new_secret_counts_within_two_seconds_and_the_old_one_no_longer(server: FreeRadius, house: House) -> None:
    house.pay()
    assert ask(server, login()) == "Access-Accept"
    house.change_secret("127.0.0.1", ODD_SECRET)
    within(SECONDS_MAX, lambda: ask(server, login(), secret=ODD_SECRET, seconds=0.2) == "Access-Accept")
    assert ask(server, login(), secret=SECRET, seconds=0.2) == ""


def test_a_removed_router_is_not_answered_after_two_seconds_and_its_logins_at_once(
    server: FreeRadius, house: House
) -> None:
    house.pay()
    assert ask(server, login()) == "Access-Accept"
    house.remove_router(house.router_id)
    assert ask(server, login(), seconds=0.2) == ""
    within(SECONDS_MAX, lambda: ask(server, report("Start"), kind="acct", seconds=0.2) == "")


def test_routers_are_known_at_once_after_a_restart(server: FreeRadius, house: House) -> None:
    house.pay()
    addresses = [f"127.0.1.{number}" for number in range(1, 21)]
    for address in addresses:
        house.add_router(address, address)
    within(SECONDS_MAX, lambda: len(list((server.run_folder / "clients").iterdir())) == 21)
    server.kill()
    server.start()
    assert {ask(server, login(), source=address) for address in addresses} == {"Access-Accept"}


def test_a_wrong_secret_is_silence_and_nobodys_answer_changes(server: FreeRadius, house: House) -> None:
    house.pay()
    assert ask(server, login(), secret="guess", seconds=0.3) == ""
    assert ask(server, report("Start"), kind="acct", secret="guess", seconds=0.3) == ""
    assert house.sessions() == []
    assert ask(server, login()) == "Access-Accept"


def test_a_router_that_has_signed_once_must_sign_always(server: FreeRadius, house: House) -> None:
    house.pay()
    unsigned = login().replace(", Message-Authenticator = 0x00", "")
    assert ask(server, unsigned) == "Access-Accept"
    assert ask(server, login()) == "Access-Accept"
    assert ask(server, unsigned, seconds=0.3) == ""
    with house.app.look(None) as uow:
        assert [client.demands_message_authenticator for client in network.nas_clients(uow)] == [True]
    path = server.run_folder / "clients" / "127.0.0.1"
    within(SECONDS_MAX, lambda: "require_message_authenticator = yes" in path.read_text())
    assert ask(server, login()) == "Access-Accept"


def test_strangers_fill_no_log(server: FreeRadius, house: House) -> None:
    """A second's worth of questions from somebody unknown is a line or two, however many they are."""
    begun = time.time()
    questions = "\n\n".join(f"{login()}, Packet-Src-IP-Address = 127.0.0.9" for _ in range(300))
    subprocess.run(
        ["radclient", "-q", "-r", "1", "-t", "0.01", "-p", "300", f"127.0.0.1:{server.auth_port}", "auth", SECRET],
        input=questions.encode(), capture_output=True, check=False,
    )  # fmt: skip
    lines = [line for line in server.words().splitlines() if "127.0.0.9" in line]
    assert lines
    assert len(lines) <= 4 * (time.time() - begun + 2)


def test_who_may_read_the_files_with_the_secrets(server: FreeRadius, house: House) -> None:
    path = server.run_folder / "clients" / "127.0.0.1"
    assert SECRET in path.read_text()
    assert path.stat().st_mode & 0o007 == 0


def test_a_router_whose_secret_cannot_be_written_is_left_out_and_the_others_are_not(
    server: FreeRadius, house: House
) -> None:
    house.add_router("odd", "127.0.0.2", "ends with \\")
    house.add_router("lake", "127.0.0.3")
    within(SECONDS_MAX, lambda: (server.run_folder / "clients" / "127.0.0.3").exists())
    assert not (server.run_folder / "clients" / "127.0.0.2").exists()
    assert "radius.router_left_out" in server.words()
    with house.rows() as rows:
        rows.execute(text("UPDATE nas SET secret = 'mended' WHERE nasname = '127.0.0.2'"))
    within(SECONDS_MAX, lambda: (server.run_folder / "clients" / "127.0.0.2").exists())
