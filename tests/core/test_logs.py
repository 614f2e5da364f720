"""Log lines: JSON, with ids, without secrets and phone numbers wherever they hide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import core
from core.logs import DEPTH_MAX, TEXT_LENGTH_MAX, clean_text, redact

ROOT = Path(core.__path__[0]).parent


def line(**event: object) -> dict[str, object]:
    return dict(redact(None, "info", dict(event)))


@pytest.mark.parametrize(
    "name",
    ["password", "api_key", "apiKey", "API_KEY", "apikey", "pin", "user_pin", "token", "access_token", "X-Auth-Token",
     "secret", "radius_secret", "passkey", "Authorization", "credentials"],
)  # fmt: skip
def test_values_under_telling_names_are_black(name: str) -> None:
    assert line(**{name: "hunter2"}) == {name: "***"}
    assert line(outer={"inner": [{name: ["hunter2"]}]}) == {"outer": {"inner": [{name: "***"}]}}


@pytest.mark.parametrize("name", ["ping", "mapping", "opinion", "monkey", "keyboard", "spinning"])
def test_names_that_only_contain_such_a_word_are_not(name: str) -> None:
    assert line(**{name: "seen"}) == {name: "seen"}


@pytest.mark.parametrize("number", ["+254712345678", "254712345678", "0712345678", "tel:+8801712345678", 254712345678])
def test_phone_numbers_are_masked_in_every_form(number: object) -> None:
    shown = str(line(to=number)["to"])
    assert "•••" in shown
    assert not any(str(number).lstrip("+tel:")[i : i + 8] in shown for i in range(6))


def test_ids_times_and_small_numbers_stay_readable() -> None:
    event = {
        "promise": 12345678901, "promise_id": 12345678901, "tenant": 3, "took_ms": 17, "ok": True, "share": 0.123456789,
        "none": None, "timestamp": "2026-11-20T09:00:00.123456Z", "mac": "02:00:00:00:00:01", "address": "10.5.50.254",
        "request": "ws_CO_20112026090000123456789",
    }  # fmt: skip
    assert line(**event) == event


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://duka:hunter2@db/duka refused",
        "GET /send?username=duka&api_key=hunter2&to=1",
        '{"password": "hunter2"}',
        "{'radius_secret': 'hunter2 with words'}",
        "Authorization: Bearer hunter2",
        "Authorization: Basic hunter2",
        "token=hunter2; path=/",
        "PIN: hunter2",
    ],
)
def test_credentials_inside_texts_are_cut(text: str) -> None:
    assert "hunter2" not in clean_text(text)


def test_bytes_and_bottomless_things_do_not_fill_the_log() -> None:
    deep: list[object] = []
    for _ in range(50):
        deep = [deep]
    event = line(body=b"\x00" * 70000, text="x" * 10**6, deep=deep)
    assert event["body"] == "<70000 bytes>"
    assert len(str(event["text"])) == TEXT_LENGTH_MAX
    assert str(event["deep"]).count("[") <= 50 + DEPTH_MAX


def run(program: str, level: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"DUKA_LOG": level, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


PROGRAM = """
import logging, structlog
from core import logs
logs.set_up("relay")
log = structlog.get_logger()
log.debug("too.quiet")
log.info("promise.kept", promise=7, password="hunter2")
logging.getLogger("rq.worker").info("chatter")
logging.getLogger("rq.worker").error("Worker: password=hunter2 at +254712345678\\nsecond line")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("it.broke", note="line\\nbreak")
"""


def test_every_line_is_one_json_object_whoever_wrote_it() -> None:
    done = run(PROGRAM, "info")
    assert done.stderr == ""
    events = [json.loads(text) for text in done.stdout.splitlines()]
    assert [event["event"].split(":")[0] for event in events] == ["promise.kept", "Worker", "it.broke"]
    assert {event["process"] for event in events} == {"relay"}
    assert events[0]["promise"] == 7
    assert "ZeroDivisionError" in events[2]["exception"]
    assert "hunter2" not in done.stdout
    assert "712345" not in done.stdout


def test_the_level_comes_from_the_environment_and_a_wrong_one_is_said_in_words() -> None:
    assert "too.quiet" in run(PROGRAM, "DEBUG").stdout
    assert "promise.kept" not in run(PROGRAM, "ERROR").stdout
    wrong = run(PROGRAM, "LOUD")
    assert wrong.returncode != 0
    assert "DUKA_LOG is 'LOUD'; use one of DEBUG, INFO, WARNING, ERROR" in wrong.stderr
