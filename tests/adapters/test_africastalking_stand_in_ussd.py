"""USSD sessions of the pretend Africa's Talking: what it posts, what a phone can show, and how sessions end."""

from __future__ import annotations

import gzip
import re
import socket
import threading
from datetime import timedelta

import pytest

from core.clock import FrozenClock
from sim.africastalking import AfricasTalking, Repeat, SessionOver, Status
from sim.http import Reply, Request, text_reply
from tests.adapters.africastalking_stand_in_kit import CALLER, USSD, clock, company
from tests.adapters.our_side import OurSide, ours, say

__all__ = ["clock", "company", "ours"]


def echo(request: Request) -> Reply:
    return text_reply(200, f"CON you typed {request.form()['text']}")


def test_a_session_posts_the_documented_form(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/ussd"] = say("CON Welcome\n1. Buy")
    session = company.dial(CALLER, USSD, network_code="63903")
    assert (session.screen, session.open) == ("Welcome\n1. Buy", True)
    (request,) = ours.received("/ussd")
    form = request.form()
    assert re.fullmatch(r"ATUid_[0-9a-f]{32}", form.pop("sessionId"))
    assert form == {"phoneNumber": CALLER, "networkCode": "63903", "serviceCode": USSD, "text": ""}
    assert request.headers["user-agent"] == "at-ussd-api/1.0"
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


def test_everything_typed_piles_up_including_mistakes(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/ussd"] = echo
    session = company.dial(CALLER, USSD)
    session.answer("9")
    session.answer("1*2")
    assert session.answer("3") == "you typed 9*1*2*3"
    assert [form["text"] for form in ours.forms("/ussd")] == ["", "9", "9*1*2", "9*1*2*3"]
    assert len({form["sessionId"] for form in ours.forms("/ussd")}) == 1


def test_extra_digits_arrive_on_the_first_hop(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/ussd"] = echo
    assert company.dial(CALLER, "*384*35711*2*1#").screen == "you typed 2*1"
    assert ours.forms("/ussd")[0]["serviceCode"] == USSD


def test_an_end_closes_the_session_and_is_notified(company: AfricasTalking, ours: OurSide, clock: FrozenClock) -> None:
    ours.pages["/ussd"] = echo
    session = company.dial(CALLER, USSD)
    ours.pages["/ussd"] = say("END Enter your PIN")
    clock.advance(timedelta(seconds=5))
    assert session.answer("1") == "Enter your PIN"
    assert (session.open, session.status) == (False, Status.SUCCESS)
    with pytest.raises(SessionOver):
        session.answer("2")
    ours.wait_for("/ended")
    (form,) = ours.forms("/ended")
    assert form["sessionId"] == session.session_id
    assert (form["status"], form["input"], form["lastAppResponse"]) == ("Success", "1", "END Enter your PIN")
    assert (form["durationInMillis"], form["hopsCount"], form["cost"]) == ("5000", "2", "KES 0.50")
    assert (form["date"], form["errorMessage"]) == ("2026-03-02 09:00:05", "")


def test_end_notifications_take_turns_in_their_spelling(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/ussd"] = say("END bye")
    company.dial(CALLER, USSD)
    company.dial(CALLER, USSD)
    ours.wait_for("/ended", 2)
    forms = {form["cost"]: form for form in ours.forms("/ended")}
    assert set(forms) == {"KES 0.50", "0.5"}
    assert forms["0.5"]["hopsCount"] == "1.0"
    assert "input" not in forms["0.5"]
    assert forms["KES 0.50"]["input"] == ""


def test_hanging_up_is_incomplete(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/ussd"] = echo
    session = company.dial(CALLER, USSD)
    assert company.in_session(CALLER)
    session.hang_up()
    session.hang_up()
    assert not company.in_session(CALLER)
    assert company.wait_until_idle()
    assert [form["status"] for form in ours.forms("/ended")] == ["Incomplete"]


def test_dialling_again_leaves_the_old_menu(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/ussd"] = echo
    first = company.dial(CALLER, USSD)
    second = company.dial(CALLER, USSD)
    assert (first.status, second.open) == (Status.INCOMPLETE, True)
    assert first.session_id != second.session_id


def test_a_session_lasts_180_seconds(company: AfricasTalking, ours: OurSide, clock: FrozenClock) -> None:
    ours.pages["/ussd"] = echo
    session = company.dial(CALLER, USSD)
    clock.advance(timedelta(seconds=180))
    session.answer("1")
    clock.advance(timedelta(seconds=1))
    assert not company.in_session(CALLER)
    with pytest.raises(SessionOver):
        session.answer("2")
    assert session.status is Status.INCOMPLETE
    ours.wait_for("/ended")


def test_a_service_that_thinks_too_long_loses_the_caller(company: AfricasTalking, ours: OurSide) -> None:
    assert company.switch.answer_seconds == 15
    company.switch.answer_seconds = 0.1
    thinking = threading.Event()

    def slow(_request: Request) -> Reply:
        thinking.wait(5)
        return text_reply(200, "CON too late")

    ours.pages["/ussd"] = slow
    session = company.dial(CALLER, USSD)
    thinking.set()
    assert (session.open, session.status) == (False, Status.INCOMPLETE)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (say("Welcome"), "neither CON nor END"),
        (say("CON"), "neither CON nor END"),
        (say("CONWelcome"), "neither CON nor END"),
        (say("con Welcome"), "neither CON nor END"),
        (say(" CON Welcome"), "neither CON nor END"),
        (say("<html>CON </html>"), "neither CON nor END"),
        (say("CON Welcome", 404), "HTTP 404"),
        (say("END Welcome", 500), "HTTP 500"),
        (say("CON Welcome", 201), "HTTP 201"),
        (say("CON " + "a" * 183), "183 septets"),
        (say("CON " + "€" * 92), "184 septets"),
        (say("CON It\u2019s ready"), "outside the GSM alphabet"),
        (say("CON ১. কিনুন"), "outside the GSM alphabet"),
        (lambda _request: Reply(200, b"CON \xff\xfe", "text/plain"), "not text"),
    ],
)
def test_a_reply_the_phone_cannot_show_fails_the_session(
    company: AfricasTalking, ours: OurSide, page: object, reason: str
) -> None:
    assert callable(page)
    ours.pages["/ussd"] = page
    session = company.dial(CALLER, USSD)
    assert (session.open, session.status) == (False, Status.FAILED)
    assert session.screen == "Connection problem or invalid MMI code."
    ours.wait_for("/ended")
    (form,) = ours.forms("/ended")
    assert form["status"] == "Failed"
    assert reason in form["errorMessage"]


def test_a_screen_of_182_septets_still_fits(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/ussd"] = say("CON " + "é" * 180 + "€")
    assert company.dial(CALLER, USSD).open


def test_a_zipped_reply_is_understood(company: AfricasTalking) -> None:
    body = gzip.compress(b"END zipped")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve_once() -> None:
            connection, _ = listener.accept()
            with connection:
                while b"text=" not in connection.recv(4096):
                    continue
                connection.sendall(head + body)

        server = threading.Thread(target=serve_once)
        server.start()
        company.add_service_code("*1#", ussd_url=f"http://127.0.0.1:{port}/")
        assert company.dial(CALLER, "*1#").screen == "zipped"
        server.join()


def test_a_service_that_is_gone_and_a_code_nobody_has_both_fail(company: AfricasTalking) -> None:
    company.add_service_code("*1#", ussd_url="http://127.0.0.1:1/")
    assert company.dial(CALLER, "*1#").status is Status.FAILED
    assert company.dial(CALLER, "*2#").status is Status.FAILED
    company.add_service_code("*3#", ussd_url="http://192.0.2.1/")
    assert company.dial(CALLER, "*3#").error == "the address is not on this machine"


def test_a_public_name_can_be_led_to_this_machine(company: AfricasTalking, ours: OurSide) -> None:
    company.reach("https://isp.example", ours.url(""))
    company.add_service_code("*1#", ussd_url="https://isp.example/ussd")
    ours.pages["/ussd"] = say("END here")
    assert company.dial(CALLER, "*1#").screen == "here"


@pytest.mark.parametrize("how", list(Repeat))
def test_a_hop_can_be_posted_more_than_once(company: AfricasTalking, ours: OurSide, how: Repeat) -> None:
    ours.pages["/ussd"] = echo
    session = company.dial(CALLER, USSD)
    company.repeat_next(3, how)
    assert session.answer("1") == "you typed 1"
    assert [form["text"] for form in ours.forms("/ussd")] == ["", "1", "1", "1"]
    assert [len(hop.answers) for hop in session.hops] == [1, 3]
    session.answer("2")
    assert len(ours.forms("/ussd")) == 5


def test_concurrent_repeats_are_in_flight_together(company: AfricasTalking, ours: OurSide) -> None:
    together = threading.Barrier(2)

    def page(request: Request) -> Reply:
        together.wait(5)
        return echo(request)

    ours.pages["/ussd"] = page
    company.repeat_next(2, Repeat.AT_ONCE)
    assert company.dial(CALLER, USSD).open
