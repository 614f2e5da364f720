"""FreeRADIUS starts from the folder as it is, and answers. The whole table of answers is in tests/parity/."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from radius import freeradius_texts
from tests.freeradius.house import MAC_PASSWORD, SECRET, House, ask, login, ppp
from tests.freeradius_server import CONFIG, FreeRadius, freeradius_server, stock_server
from tests.services import ServiceFailed, eventually, postgres_database


def test_it_starts_without_a_word_of_complaint_and_is_healthy(server: FreeRadius, house: House) -> None:
    assert server.answers_status()
    complaints = [line for line in server.words().splitlines() if re.search(r": (Error|Warning):", line)]
    assert complaints == []


def test_it_answers_by_every_way_a_router_asks(server: FreeRadius, house: House) -> None:
    house.pay()
    house.pay("juma", "ppp", "k3tchup 4 two")
    assert ask(server, login()) == "Access-Accept"
    assert ask(server, login(kind="CHAP-Password")) == "Access-Accept"
    assert ask(server, ppp("juma", "k3tchup 4 two")) == "Access-Accept"
    assert ask(server, login(password="guess")) == "Access-Reject"
    assert ask(server, ppp("juma", MAC_PASSWORD)) == "Access-Reject"
    eventually(lambda: len(house.log()) == 5)
    assert house.log() == ["Access-Accept"] * 3 + ["Access-Reject (wrong_password)"] * 2


def test_a_database_that_is_not_there_is_said_in_the_log_and_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    with freeradius_server("postgresql+psycopg://nobody@127.0.0.1:9/nothing", tmp_path, collector=False) as server:
        assert server.answers_status()


def test_a_folder_with_a_mistake_in_it_is_noticed_before_anything_is_answered(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed, match="DUKA_FREERADIUS_HOST|ipaddr|Failed"), freeradius_server(
        "postgresql+psycopg://nobody@127.0.0.1:9/nothing", tmp_path, collector=False,
        environment={"DUKA_FREERADIUS_HOST": "no address"},
    ):  # fmt: skip
        pass


def test_what_customers_read_is_what_the_embedded_server_says() -> None:
    assert (CONFIG / "mods-config" / "texts").read_text("utf-8") == freeradius_texts.written(), (
        "run: python -m radius.freeradius_texts > deploy/freeradius/mods-config/texts"
    )


def test_nothing_in_the_folder_names_a_machine_or_holds_a_secret() -> None:
    for path in (
        path for path in CONFIG.rglob("*") if path.is_file() and path.suffix not in (".env", ".service", ".md")
    ):
        for line in path.read_text("utf-8").splitlines():
            words = line.partition("#")[0]
            assert not re.search(r"\b(secret|password) *= *(?!\"?\$ENV\{)\S", words), f"{path.name}: {line}"


def test_the_yardstick_is_debians_package_as_it_is(postgres_url: str, house: House, tmp_path: Path) -> None:
    with postgres_database(postgres_url) as url, stock_server(url, tmp_path / "stock") as stock:
        assert (
            ask(stock, 'User-Name = "nobody", User-Password = "x"', secret=stock.secret, seconds=3) == "Access-Reject"
        )
        said = subprocess.run(
            ["psql", "-XAt", url.replace("+psycopg", ""), "-c", "SELECT username, pass, reply FROM radpostauth"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert said == "nobody|x|Access-Reject\n"
        assert ask(stock, login(), secret=SECRET) == ""
