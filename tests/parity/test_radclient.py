"""A sample of the table asked by the FreeRADIUS project's own client, so that not only our tools agree with our servers."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.parity.asking import KINDS, right_password
from tests.parity.cases import TABLE
from tests.parity.once import Once
from tests.parity.table import MARKET, Accept, Case, Reject
from tests.parity.test_answers import check_timeout, expected
from tests.parity.world import Endpoint, Outcome, World

SAMPLE = (
    "hotspot, PAP", "hotspot, CHAP", "PPP, PAP", "PPP, CHAP", "DHCP", "a code over the hotspot, PAP", "3.5 of 10 GB used",
    "4294967296 bytes left", "9223372036854775807 bytes left", "three address lists, in order", "routes with gateway and metric",
    "two IPv6 prefixes", "rate '5M/10M 8M/16M 4M/8M 16/16 8'", "expires at 2^32", "inside the hours", "outside the hours in UTC",
    "expired, PPP, redirect", "expired a year ago", "used exactly", "a device nobody paid for", "a device with a wrong password",
    "another device's MAC", "a MAC spelt '{mac_low}'", "a login nobody has", "another name added by a browser",
    "one device, another is on",
)  # fmt: skip
CASES = {case.name: case for case in TABLE if case.name in SAMPLE}
assert CASES.keys() == set(SAMPLE)
Answer = tuple[str, dict[str, list[object]], datetime]


def radclient(server: Endpoint, case: Case) -> tuple[str, dict[str, list[object]]]:
    """What radclient received, which verifies it: the code (empty for nothing), and the attributes."""
    program = shutil.which("radclient")
    assert program, "radclient is not installed (Debian: apt install freeradius-utils)"
    ask = case.ask
    secret = "CHAP-Password" if ask.method == "chap" else "User-Password"
    changed = dict(ask.change)
    lines = [("User-Name", ask.user), *((name, changed.get(name, value)) for name, value in KINDS[ask.how])]
    lines += [(secret, ask.password or right_password(case, ask)), *ask.add, ("Message-Authenticator", "0x00")]
    text = "\n".join(f"{name} = {_written(case.fill(value))}" for name, value in lines if value is not None)
    ran = subprocess.run(
        [program, "-x", "-r", "3", "-t", "3", f"127.0.0.1:{server.auth_port}", "auth", MARKET.secret],
        input=text, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    answer = ran.stdout.partition("\nReceived ")[2]
    found: dict[str, list[object]] = {}
    for name, value in re.findall(r"^\t([\w-]+) = (.*)$", answer, re.MULTILINE):
        if name != "Message-Authenticator":
            found.setdefault(name, []).append(_read(value))
    return answer.split(" ", 1)[0], found


def _written(value: object) -> str:
    return str(value) if isinstance(value, int) or str(value).startswith("0x") else f'"{value}"'


def _read(value: str) -> object:
    if value.startswith('"'):
        return value.strip('"')
    if value.startswith("0x"):
        return bytes.fromhex(value[2:]).decode()
    return int(value) if value.isdigit() else value


def ask_sample(world: World, servers: list[Endpoint]) -> dict[str, Answer]:
    """Every case of the sample."""
    world.forget()
    world.greet(servers[0])
    answers = {}
    for case in CASES.values():
        now = datetime.now(UTC)
        world.write(case, now)
        answers[case.name] = (*radclient(servers[0], case), now)
    return answers


@pytest.fixture(scope="package")
def sample(worlds: Callable[[str], World]) -> Once:
    """What a server on a kind of database answered to radclient."""
    return Once(worlds, ask_sample)


@pytest.mark.parametrize("name", SAMPLE)
def test_radclient_is_told_the_same(
    sample: Callable[[str, str], dict[str, Answer]], where: tuple[str, str], name: str
) -> None:
    case, (code, found, asked_at) = CASES[name], sample(*where)[name]
    if isinstance(case.gets, Reject):
        assert code == "Access-Reject"
        assert found.keys() == {"Reply-Message"}
        assert case.gets.words is None or found["Reply-Message"] == [case.gets.words]
        return
    assert isinstance(case.gets, Accept) and code == "Access-Accept"
    check_timeout(case.gets, Outcome(asked_at), found.pop("Session-Timeout", []))  # type: ignore[arg-type]
    assert found == expected(case, case.gets, Outcome(asked_at))
