"""Calling a company: what we know, and what we do not know, when a call ends badly."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.adapters.http import ANSWER_BYTES_MAX, Http, NotJson, Timeouts, read_json
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from tests.services import eventually

QUICK = Timeouts(connect_seconds=1.0, read_seconds=0.3, total_seconds=0.5)
SECRET = "s3cr3t-never-shown"
ROOT = Path(__file__).parents[2]
Talk = Callable[["Caller"], None]


class Caller:
    """One connection to the little server, and what was asked over it so far."""

    def __init__(self, connection: socket.socket, server: LittleServer) -> None:
        self.connection, self._server = connection, server

    def read_request(self) -> bytes:
        """One whole request; empty when the caller has hung up."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        wanted = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < wanted:
            body += self.connection.recv(65536)
        self._server.requests.append(head + b"\r\n\r\n" + body)
        return head

    def answer(self, body: bytes, status: str = "200 OK", extra: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        self.connection.sendall(head.encode() + body)

    def wait_for_goodbye(self) -> None:
        """Say nothing until the caller gives up."""
        while self.connection.recv(65536):
            continue


class LittleServer:
    """Plays `talk` with everybody who connects, each in a thread; remembers requests and connections."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.goodbyes = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._talk(Caller(connection, self))
            except OSError:
                pass  # the caller was faster
        self.goodbyes += 1

    def wait_for_goodbyes(self, count: int) -> None:
        """Until so many connections have been closed by us."""
        eventually(lambda: self.goodbyes == count, what=f"{count} connections closed")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], LittleServer]]:
    """Starts little servers and stops them afterwards."""
    servers: list[LittleServer] = []

    def start(talk: Talk) -> LittleServer:
        servers.append(LittleServer(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ask(url: str, timeouts: Timeouts = QUICK) -> Http:
    return Http(url, timeouts)


def friendly(caller: Caller) -> None:
    while caller.read_request():
        caller.answer(b'{"said": "yes"}')


def answer_once(caller: Caller) -> None:
    caller.read_request()
    caller.answer(b"{}")


def fall_silent(caller: Caller) -> None:
    caller.read_request()
    caller.wait_for_goodbye()


def hang_up(caller: Caller) -> None:
    caller.read_request()


def break_off(caller: Caller) -> None:
    caller.read_request()
    caller.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def gibberish(caller: Caller) -> None:
    caller.read_request()
    caller.connection.sendall(b"\x00\xff not a web server\r\n\r\n")


def flood(caller: Caller) -> None:
    caller.read_request()
    caller.answer(b"a" * (ANSWER_BYTES_MAX + 1))


def bomb(caller: Caller) -> None:
    caller.read_request()
    caller.answer(gzip.compress(b"a" * 50_000_000), extra="Content-Encoding: gzip\r\n")


def drip(caller: Caller) -> None:
    """One byte at a time, always inside the time limit for a single piece."""
    caller.read_request()
    caller.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    caller.connection.settimeout(0.05)
    for _ in range(100):
        caller.connection.sendall(b" ")
        try:
            caller.connection.recv(1)
            return
        except TimeoutError:
            continue


AFTER_ASKING = [fall_silent, hang_up, break_off, gibberish, flood, bomb, drip]


def test_an_answer_is_given_back_whatever_its_status(serve: Callable[[Talk], LittleServer]) -> None:
    def refuse(caller: Caller) -> None:
        caller.read_request()
        caller.answer(b'{"errorCode": "500.001.1001"}', "500 Internal Server Error")

    answer = ask(serve(refuse).url).post_json("/pay", {}, idempotent=False)
    assert (answer.status, answer.ok, answer.json_object()) == (500, False, {"errorCode": "500.001.1001"})


def test_a_company_that_cannot_be_reached_has_surely_done_nothing() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(GatewayDown):
            ask(url).post_json("/pay", {}, idempotent=False)


def test_a_company_that_cannot_prove_who_it_is_has_surely_done_nothing(
    serve: Callable[[Talk], LittleServer],
) -> None:
    server = serve(gibberish)
    with pytest.raises(GatewayDown):
        ask(server.url.replace("http", "https")).post_json("/pay", {"amount": 20}, idempotent=False)


@pytest.mark.parametrize("talk", AFTER_ASKING)
def test_once_the_request_is_out_a_bad_end_is_unknown(talk: Talk, serve: Callable[[Talk], LittleServer]) -> None:
    server = serve(talk)
    with pytest.raises(OutcomeUnknown):
        ask(server.url).post_json("/pay", {"amount": 20}, idempotent=False)
    assert len(server.requests) == 1, "nothing is asked twice"


@pytest.mark.parametrize("talk", AFTER_ASKING)
def test_where_repeating_is_harmless_a_bad_end_is_only_a_delay(
    talk: Talk, serve: Callable[[Talk], LittleServer]
) -> None:
    url = serve(talk).url
    with pytest.raises(GatewayDown):
        ask(url).post_json("/query", {}, idempotent=True)
    with pytest.raises(GatewayDown):
        ask(url).get("/token")


def test_an_answer_in_crumbs_is_not_waited_for_for_ever(serve: Callable[[Talk], LittleServer]) -> None:
    server = serve(drip)
    with pytest.raises(GatewayDown, match="did not finish"):
        ask(server.url).get("/token")
    server.wait_for_goodbyes(1)


def test_calls_share_one_connection(serve: Callable[[Talk], LittleServer]) -> None:
    server = serve(friendly)
    company = ask(server.url)
    for _ in range(5):
        company.post_json("/pay", {}, idempotent=False)
    assert (len(server.requests), len(server.connections)) == (5, 1)


def test_a_connection_that_was_closed_in_a_pause_is_replaced_without_a_word(
    serve: Callable[[Talk], LittleServer],
) -> None:
    server = serve(answer_once)
    company = ask(server.url)
    for done in (1, 2, 3):
        assert company.post_json("/pay", {}, idempotent=False).ok
        server.wait_for_goodbyes(done)
    assert len(server.requests) == 3


def test_a_connection_that_was_idle_for_long_is_not_trusted(serve: Callable[[Talk], LittleServer]) -> None:
    server = serve(friendly)
    company = ask(server.url, Timeouts(kept_seconds=0.0))
    company.get("/token")
    company.get("/token")
    assert len(server.connections) == 2


def test_a_goodbye_that_crosses_with_a_request_is_unknown_and_never_repeated(
    serve: Callable[[Talk], LittleServer],
) -> None:
    def answer_then_hang_up(caller: Caller) -> None:
        caller.read_request()
        caller.answer(b"{}")
        caller.read_request()

    server = serve(answer_then_hang_up)
    company = ask(server.url)
    company.post_json("/pay", {}, idempotent=False)
    with pytest.raises(OutcomeUnknown):
        company.post_json("/pay", {}, idempotent=False)
    assert len(server.requests) == 2


def test_many_threads_may_share_one_client(serve: Callable[[Talk], LittleServer]) -> None:
    server = serve(friendly)
    company = ask(server.url, Timeouts())
    good: list[bool] = []

    def call() -> None:
        good.extend(company.post_json("/pay", {}, idempotent=False).ok for _ in range(10))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert good == [True] * 40


def test_a_forked_worker_does_not_talk_over_its_parents_connection(serve: Callable[[Talk], LittleServer]) -> None:
    server = serve(friendly)
    script = (
        "import os; from core.adapters.http import Http\n"
        f"company = Http({server.url!r}); company.get('/a'); child = os.fork()\n"
        "company.get('/b')\n"
        "if child: assert os.waitpid(child, 0)[1] == 0"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, cwd=ROOT, stdout=subprocess.DEVNULL)
    assert (len(server.requests), len(server.connections)) == (3, 2)


def test_redirects_are_not_followed(serve: Callable[[Talk], LittleServer]) -> None:
    elsewhere = serve(friendly)

    def redirect(caller: Caller) -> None:
        caller.read_request()
        caller.answer(b"", "307 Temporary Redirect", f"Location: {elsewhere.url}/\r\n")

    answer = ask(serve(redirect).url).post_json("/pay", {}, headers={"Authorization": SECRET}, idempotent=False)
    assert answer.status == 307
    assert not elsewhere.requests


def test_proxies_and_passwords_of_the_environment_are_not_obeyed(serve: Callable[[Talk], LittleServer]) -> None:
    server, proxy = serve(friendly), serve(friendly)
    script = f"from core.adapters.http import Http; Http({server.url!r}).get('/token')"
    surroundings = {**os.environ, "http_proxy": proxy.url, "all_proxy": proxy.url, "no_proxy": ""}
    subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=30, cwd=ROOT, env=surroundings, stdout=subprocess.DEVNULL
    )
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


def test_cookies_are_not_kept(serve: Callable[[Talk], LittleServer]) -> None:
    def give_cookie(caller: Caller) -> None:
        while caller.read_request():
            caller.answer(b"{}", extra="Set-Cookie: visid=1; Path=/\r\n")

    server = serve(give_cookie)
    company = ask(server.url)
    company.get("/token")
    company.get("/token")
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("talk", [*AFTER_ASKING, friendly])
def test_neither_logs_nor_failures_show_what_was_sent(talk: Talk, serve: Callable[[Talk], LittleServer]) -> None:
    company, shown = ask(serve(talk).url), ""
    with capture_logs() as logs:
        try:
            company.post_json(
                f"/pay?key={SECRET}",
                {"Password": SECRET},
                headers={"Authorization": f"Bearer {SECRET}"},
                idempotent=False,
            )
        except GatewayFailure as failure:
            shown = "".join(traceback.format_exception(failure)) + repr(failure.__context__)
    assert [(entry["path"], entry["host"]) for entry in logs] == [("/pay", company.host)]
    assert SECRET not in shown + repr(logs)


@pytest.mark.parametrize("odd", [f"{SECRET}\nX: y", f"{SECRET}\u2026", f" {SECRET}"])
def test_a_key_that_cannot_be_a_header_is_refused_without_being_shown(
    odd: str, serve: Callable[[Talk], LittleServer]
) -> None:
    server = serve(friendly)
    with pytest.raises(GatewayRefused) as refused:
        ask(server.url).post_json("/pay", {}, headers={"Authorization": odd}, idempotent=False)
    assert refused.value.code == "configuration"
    assert SECRET not in "".join(traceback.format_exception(refused.value)) + repr(refused.value.__context__)
    assert not server.requests


@pytest.mark.parametrize(
    "address",
    ["", "example.org", "ftp://127.0.0.1", "http://", "http://127.0.0.1:0", "http://[::1", "http://127.0.0.1:port",
     "http://127.0.0.1/?a=b", f"http://user:{SECRET}@127.0.0.1"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(GatewayRefused) as refused:
        Http(address)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"nothing", b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": -Infinity}', b"[" * 100_000, b'{"a":' * 100_000,
     b"\xff\xfe{\x00}\x00", b'"\xc3\x28"', b'{"a": 1} more'],
)  # fmt: skip
def test_json_with_surprises_is_no_json(body: bytes) -> None:
    with pytest.raises(NotJson):
        read_json(body)


def test_numbers_stay_the_text_they_were() -> None:
    long = "9" * 10_000
    assert read_json(f'{{"a": 20.10, "b": {long}, "c": 1e999999}}'.encode()) == {
        "a": "20.10",
        "b": long,
        "c": "1e999999",
    }


def test_the_reason_for_refusing_json_does_not_carry_the_body_along() -> None:
    with pytest.raises(NotJson) as refused:
        read_json(SECRET.encode())
    assert refused.value.__context__ is None
