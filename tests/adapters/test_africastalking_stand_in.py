"""The pretend Africa's Talking, tried with the company's own Python package and with plain and hostile posts."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from africastalking.Application import ApplicationService
from africastalking.Service import AfricasTalkingException
from africastalking.SMS import SMSService

from sim.africastalking import AfricasTalking, NoSms, Repeat, SessionOver, Status
from sim.africastalking.gsm import parts, septets
from sim.http import Reply, Request, text_reply
from tests.adapters.our_side import OurSide, say

CALLER = "+254712345678"
OTHER = "+254722000111"
FIXED_LINE = "+254202345678"
KEY = "atsk_key"
USSD = "*384*35711#"
NOON = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ours() -> Iterator[OurSide]:
    with OurSide() as service:
        yield service


@pytest.fixture
def company(ours: OurSide, clock: Clock) -> Iterator[AfricasTalking]:
    with AfricasTalking(clock).start() as started:
        started.add_account("duka", KEY, 1_000_00)
        started.add_short_code(
            "35711",
            "duka",
            sms_url=ours.url("/sms"),
            delivery_url=ours.url("/delivery"),
            opt_out_url=ours.url("/opt-out"),
        )
        started.add_service_code(USSD, ussd_url=ours.url("/ussd"), ended_url=ours.url("/ended"))
        yield started
        assert started.server.failures == []


def vendor(company: AfricasTalking, key: str = KEY) -> SMSService:
    service = SMSService("duka", key)
    service._baseUrl = company.base_url + "/version1"
    return service


def send(company: AfricasTalking, **form: str) -> requests.Response:
    fields = {"username": "duka", "to": CALLER, "message": "hello", "bulkSMSMode": "1"} | form
    return requests.post(f"{company.base_url}/version1/messaging", fields, headers={"apiKey": KEY}, timeout=5)


def rows(response: requests.Response) -> list[dict[str, object]]:
    assert response.status_code == 201
    found = response.json()["SMSMessageData"]["Recipients"]
    assert isinstance(found, list)
    return found


# ── sending ──


def test_the_company_s_own_package_sends_to_an_inbox(company: AfricasTalking) -> None:
    answer = vendor(company).send("Your code is 4711", [CALLER, OTHER], "35711")
    recipients = answer["SMSMessageData"]["Recipients"]
    assert [row["number"] for row in recipients] == [CALLER, OTHER]
    assert {row["statusCode"] for row in recipients} == {101}
    assert {row["cost"] for row in recipients} == {"KES 0.8000"}
    assert all(re.fullmatch(r"ATXid_[0-9a-f]{32}", row["messageId"]) for row in recipients)
    (sms,) = company.inbox(CALLER)
    assert (sms.text, sms.sender, sms.parts, sms.at) == ("Your code is 4711", "35711", 1, NOON)
    assert sms.message_id == recipients[0]["messageId"]


def test_a_send_answers_201_with_exactly_the_json_content_type(company: AfricasTalking) -> None:
    response = send(company)
    assert (response.status_code, response.headers["Content-Type"]) == (201, "application/json")


def test_a_wrong_key_surfaces_as_the_package_s_own_error(company: AfricasTalking) -> None:
    with pytest.raises(AfricasTalkingException, match="authentication is invalid"):
        vendor(company, "wrong").send("hello", [CALLER])
    assert company.inbox(CALLER) == []


@pytest.mark.parametrize(("missing", "status"), [("username", 400), ("to", 400), ("message", 400)])
def test_a_missing_field_is_refused(company: AfricasTalking, missing: str, status: int) -> None:
    response = send(company, **{missing: ""})
    assert response.status_code == status
    assert missing in response.text


def test_the_package_reads_its_balance_and_parts_are_paid_for(company: AfricasTalking) -> None:
    send(company, message="a" * 161)
    application = ApplicationService("duka", KEY)
    application._baseUrl = company.base_url + "/version1"
    assert application.fetch_application_data() == {"UserData": {"balance": "KES 998.4000"}}


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        ("0712345678", 403, "InvalidPhoneNumber"),
        ("+2547", 403, "InvalidPhoneNumber"),
        ("+254071234567890123", 403, "InvalidPhoneNumber"),
        ("+٢٥٤٧١٢٣٤٥٦٧٨", 403, "InvalidPhoneNumber"),
        (FIXED_LINE, 404, "UnsupportedNumberType"),
    ],
)
def test_a_bad_number_is_refused_inside_the_201(company: AfricasTalking, number: str, code: int, word: str) -> None:
    good, bad = rows(send(company, to=f"{CALLER},{number}"))
    assert good["statusCode"] == 101
    assert (bad["statusCode"], bad["status"], bad["cost"], bad["messageId"]) == (code, word, "0", "None")


def test_somebody_else_s_sender_is_refused(company: AfricasTalking) -> None:
    assert rows(send(company, **{"from": "BANK"}))[0]["statusCode"] == 402
    company.add_sender("duka", "BANK")
    assert rows(send(company, **{"from": "BANK"}))[0]["statusCode"] == 101


def test_an_empty_account_cannot_send(company: AfricasTalking) -> None:
    company.accounts["duka"].balance_minor = 100
    first, second = rows(send(company, to=f"{CALLER},{OTHER}"))
    assert (first["statusCode"], second["statusCode"]) == (101, 405)
    assert company.inbox(OTHER) == []


@pytest.mark.parametrize("code", [401, 402, 403, 404, 405, 406, 407, 409, 500, 501, 502])
def test_every_rejection_can_be_had_on_demand(company: AfricasTalking, code: int) -> None:
    company.fail_next(code)
    assert rows(send(company))[0]["statusCode"] == code
    assert company.inbox(CALLER) == []
    assert rows(send(company))[0]["statusCode"] == 101


@pytest.mark.parametrize("code", [100, 101, 102])
def test_every_acceptance_can_be_had_on_demand(company: AfricasTalking, code: int) -> None:
    company.fail_next(code)
    assert rows(send(company))[0]["statusCode"] == code
    assert len(company.inbox(CALLER)) == 1


def test_a_fault_for_one_number_spares_the_others(company: AfricasTalking) -> None:
    company.fail_next(407, msisdn=OTHER)
    assert [row["statusCode"] for row in rows(send(company, to=f"{CALLER},{OTHER}"))] == [101, 407]


def test_an_unknown_fault_is_a_mistake_of_the_test(company: AfricasTalking) -> None:
    with pytest.raises(ValueError, match="999"):
        company.fail_next(999)


def test_an_enqueued_message_is_queued(company: AfricasTalking) -> None:
    answer = vendor(company).send("hello", [CALLER], enqueue=True)
    assert answer["SMSMessageData"]["Recipients"][0]["statusCode"] == 102


def bulk(company: AfricasTalking, body: object) -> requests.Response:
    url = f"{company.base_url}/version1/messaging/bulk"
    return requests.post(url, json=body, headers={"apiKey": KEY}, timeout=5)


def test_the_bulk_endpoint_takes_json(company: AfricasTalking) -> None:
    body = {"username": "duka", "message": "hi", "senderId": "35711", "phoneNumbers": [CALLER, "12"], "enqueue": True}
    assert [row["statusCode"] for row in rows(bulk(company, body))] == [102, 403]


def test_a_masked_payer_can_be_texted(company: AfricasTalking) -> None:
    company.network.know(CALLER)
    masked = hashlib.sha256(CALLER.lstrip("+").encode()).hexdigest()
    body = {"username": "duka", "message": "hi", "phoneNumbers": [], "maskedNumber": masked, "telco": "Safaricom"}
    assert rows(bulk(company, body))[0]["statusCode"] == 101
    assert company.inbox(CALLER)[0].text == "hi"
    stranger = hashlib.sha256(b"254700000000").hexdigest()
    assert rows(bulk(company, body | {"maskedNumber": stranger}))[0]["statusCode"] == 403
    assert bulk(company, body | {"telco": "Airtel"}).status_code == 400


def test_hooks_see_a_send_before_and_after_it_happens(company: AfricasTalking) -> None:
    seen: list[tuple[str, str, int]] = []
    company.on_send.append(lambda call: seen.append(("before", call.message, len(company.inbox(CALLER)))))
    company.after_send.append(lambda call: seen.append(("after", call.message, len(company.inbox(CALLER)))))
    send(company)
    assert seen == [("before", "hello", 0), ("after", "hello", 1)]


# ── trouble ──


def test_refused_connections_and_the_way_back(company: AfricasTalking) -> None:
    with requests.Session() as session:
        session.get(f"{company.base_url}/version1/user", timeout=5)
        company.go_down()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{company.base_url}/version1/user", timeout=5)
        with pytest.raises(requests.ConnectionError):
            send(company)
        company.come_up()
        assert send(company).status_code == 201


def test_silence_is_a_time_out_and_may_hide_a_deed(company: AfricasTalking) -> None:
    company.fall_silent()
    with pytest.raises(requests.ReadTimeout):
        vendor(company).send("lost", [CALLER], timeout=(1, 0.1))
    assert company.inbox(CALLER) == []
    company.fall_silent(after_acting=True)
    with pytest.raises(requests.ReadTimeout):
        vendor(company).send("arrived", [CALLER], timeout=(1, 0.1))
    assert [sms.text for sms in company.inbox(CALLER)] == ["arrived"]
    assert send(company).status_code == 201


def test_throttling_and_error_pages_come_once_and_go(company: AfricasTalking) -> None:
    company.throttle()
    company.html_error_page()
    assert send(company).status_code == 429
    page = send(company)
    assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html")
    assert send(company).status_code == 201


# ── reports ──


def test_an_interim_and_a_final_report_follow_a_send(company: AfricasTalking, ours: OurSide) -> None:
    message_id = rows(send(company))[0]["messageId"]
    ours.wait_for("/delivery", 2)
    sent, final = ours.forms("/delivery")
    assert (sent["status"], final["status"]) == ("Sent", "Success")
    assert sent["id"] == final["id"] == message_id
    assert final["phoneNumber"] == CALLER
    assert final["networkCode"] == "63902"
    assert final["retryCount"] == "0"
    assert "failureReason" not in final


def test_a_failed_delivery_says_why_and_nothing_arrives(company: AfricasTalking, ours: OurSide) -> None:
    company.fail_delivery(CALLER, "UserInBlackList", "Rejected")
    assert rows(send(company))[0]["statusCode"] == 101
    ours.wait_for("/delivery", 2)
    final = ours.forms("/delivery")[-1]
    assert (final["status"], final["failureReason"]) == ("Rejected", "UserInBlackList")
    assert company.inbox(CALLER) == []
    company.heal_delivery(CALLER)
    send(company)
    assert len(company.inbox(CALLER)) == 1


def test_reports_can_be_late_backwards_and_doubled(company: AfricasTalking, ours: OurSide) -> None:
    company.reports.withhold()
    company.reports.reorder(True)
    company.reports.repeat(2)
    send(company)
    assert company.wait_until_idle()
    assert ours.received("/delivery") == []
    company.reports.release()
    ours.wait_for("/delivery", 4)
    assert [form["status"] for form in ours.forms("/delivery")] == ["Success", "Success", "Sent", "Sent"]


def test_reports_can_be_lost(company: AfricasTalking, ours: OurSide) -> None:
    company.reports.withhold()
    send(company, message="lost")
    company.reports.lose()
    company.reports.release()
    message_id = rows(send(company, message="told"))[0]["messageId"]
    ours.wait_for("/delivery", 2)
    assert {form["id"] for form in ours.forms("/delivery")} == {message_id}


def test_opting_out_is_told_and_holds_for_that_sender_only(company: AfricasTalking, ours: OurSide) -> None:
    company.opt_out(CALLER, "35711")
    assert ours.forms("/opt-out") == [{"senderId": "35711", "phoneNumber": CALLER}]
    assert rows(send(company, **{"from": "35711"}))[0]["statusCode"] == 406
    assert rows(send(company))[0]["statusCode"] == 101
    company.opt_in(CALLER, "35711")
    assert rows(send(company, **{"from": "35711"}))[0]["statusCode"] == 101


# ── SMS from people ──


def test_incoming_messages_vary_as_the_company_s_do(company: AfricasTalking, ours: OurSide) -> None:
    for number in range(12):
        company.text_in(CALLER, "35711", f"BAL {number}")
    forms = ours.forms("/sms")
    assert [form["text"] for form in forms] == [f"BAL {number}" for number in range(12)]
    assert len({form["id"] for form in forms}) == 12
    assert {form["date"] for form in forms} == {"2026-03-02T09:00:00Z", "2026-03-02 09:00:00"}
    assert {"linkId" in form for form in forms} == {True, False}
    assert {"networkCode" in form for form in forms} == {True, False}
    assert {(form["from"], form["to"]) for form in forms} == {(CALLER, "35711")}


def test_a_premium_answer_must_name_a_link_that_person_opened(company: AfricasTalking, ours: OurSide) -> None:
    service = vendor(company)
    service._contentUrl = service._baseUrl
    link_id = company.text_in(CALLER, "35711", "NEWS").inbound.link_id
    for number, link in ((CALLER, link_id), (CALLER, "invented"), (OTHER, link_id)):
        answer = service.send_premium("the news", "35711", [number], link_id=link)
        assert answer["SMSMessageData"]["Recipients"][0]["statusCode"] == 101
    ours.wait_for("/delivery", 6)
    reasons = [form.get("failureReason", "") for form in ours.forms("/delivery") if form["status"] != "Sent"]
    assert sorted(reasons) == ["", "InvalidLinkId", "InvalidLinkId"]
    assert (len(company.inbox(CALLER)), company.inbox(OTHER)) == (1, [])


def test_a_repeated_incoming_message_keeps_its_id(company: AfricasTalking, ours: OurSide) -> None:
    ours.pages["/sms"] = say("fine", 202)
    texted = company.text_in(CALLER, "35711", "BAL & more=*", copies=3)
    assert [answer.status for answer in texted.answers] == [202, 202, 202]
    assert len({form["id"] for form in ours.forms("/sms")}) == 1
    assert ours.forms("/sms")[0]["text"] == "BAL & more=*"


def test_the_package_fetches_the_inbox_from_the_last_id(company: AfricasTalking) -> None:
    for word in ("one", "two", "three"):
        company.text_in(CALLER, "35711", word)
    fetched = vendor(company).fetch_messages()["SMSMessageData"]["Messages"]
    assert [message["text"] for message in fetched] == ["one", "two", "three"]
    newer = vendor(company).fetch_messages(fetched[1]["id"])["SMSMessageData"]["Messages"]
    assert [message["text"] for message in newer] == ["three"]


def test_two_accounts_do_not_see_each_other(company: AfricasTalking) -> None:
    company.add_account("rival", "other-key")
    company.text_in(CALLER, "35711", "secret")
    url = f"{company.base_url}/version1/messaging"
    rival = requests.get(url, {"username": "rival"}, headers={"apiKey": "other-key"}, timeout=5)
    assert rival.json() == {"SMSMessageData": {"Messages": []}}
    assert requests.get(url, {"username": "duka"}, headers={"apiKey": "other-key"}, timeout=5).status_code == 401
    response = requests.post(
        url,
        {"username": "rival", "to": CALLER, "message": "x", "from": "35711"},
        headers={"apiKey": "other-key"},
        timeout=5,
    )
    assert rows(response)[0]["statusCode"] == 402


def test_waiting_for_a_message_that_does_not_come_ends(company: AfricasTalking) -> None:
    with pytest.raises(NoSms):
        company.wait_for_sms(CALLER, "receipt", timeout_seconds=0.05)
    waiter = threading.Thread(target=lambda: send(company, message="your receipt"))
    waiter.start()
    assert company.wait_for_sms(CALLER, "receipt").text == "your receipt"
    waiter.join()


# ── USSD ──


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


def test_an_end_closes_the_session_and_is_notified(company: AfricasTalking, ours: OurSide, clock: Clock) -> None:
    ours.pages["/ussd"] = echo
    session = company.dial(CALLER, USSD)
    ours.pages["/ussd"] = say("END Enter your PIN")
    clock.at += timedelta(seconds=5)
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


def test_a_session_lasts_180_seconds(company: AfricasTalking, ours: OurSide, clock: Clock) -> None:
    ours.pages["/ussd"] = echo
    session = company.dial(CALLER, USSD)
    clock.at += timedelta(seconds=180)
    session.answer("1")
    clock.at += timedelta(seconds=1)
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


def test_a_zipped_reply_is_understood(company: AfricasTalking, ours: OurSide) -> None:
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


# ── hostile and broken callers ──


@pytest.mark.parametrize("path", ["/version1/messaging", "/version1/messaging/bulk"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe",
        b"username=duka&to=%ff%00&message=%00",
        b"&".join(b"a%d=1" % number for number in range(5000)),
        b"[" * 100_000,
        b"null",
        b'{"username": NaN}',
        b'{"username": {"a": 1}, "message": "x", "phoneNumbers": ["+254712345678"]}',
        b'{"username": "duka", "message": "x", "phoneNumbers": "+254712345678"}',
        b'{"username": "duka", "message": "x", "phoneNumbers": [1]}',
        b"username=duka' OR 1=1 --&to=<script>&message=x",
    ],
)
def test_rubbish_is_refused_and_the_company_goes_on(company: AfricasTalking, path: str, body: bytes) -> None:
    response = requests.post(company.base_url + path, body, headers={"apiKey": KEY}, timeout=5)
    if response.status_code == 201:
        assert {row["statusCode"] for row in rows(response)} == {403}
    else:
        assert 400 <= response.status_code < 500
    assert company.network.inbox("<script>") == []
    assert send(company).status_code == 201


def raw(company: AfricasTalking, text: bytes) -> bytes:
    """What the company answers to these bytes, whatever they are."""
    with socket.create_connection(company.server.address, timeout=5) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", b"413"),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"400"),
        (b"POST /version1/messaging HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST http://[ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"BREW /coffee HTTP/1.1\r\n\r\n", b"501"),
        (b"GET /version1/nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b""),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort", b""),
    ],
)
def test_broken_http_is_refused_and_the_company_goes_on(company: AfricasTalking, text: bytes, status: bytes) -> None:
    assert status in raw(company, text)[:200]
    assert send(company).status_code == 201


def test_a_body_of_one_mebibyte_is_still_read(company: AfricasTalking) -> None:
    url = f"{company.base_url}/version1/messaging"
    assert requests.post(url, b"a" * 1024 * 1024, timeout=5).status_code == 400
    assert requests.post(url, b"a" * (1024 * 1024 + 1), timeout=5).status_code == 413


def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        AfricasTalking().start("192.0.2.1")


# ── the alphabet ──


@pytest.mark.parametrize(
    ("text", "weight", "part_count"),
    [
        ("", 0, 1),
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("a" * 306, 306, 2),
        ("a" * 307, 307, 3),
        ("€" * 80, 160, 1),
        ("€" * 153, 306, 3),
        ("ক" * 70, None, 1),
        ("ক" * 71, None, 2),
        ("😀" * 35, None, 1),
        ("😀" * 67, None, 3),
    ],
)
def test_texts_are_weighed_as_networks_weigh_them(text: str, weight: int | None, part_count: int) -> None:
    assert (septets(text), parts(text)) == (weight, part_count)


def test_what_was_asked_is_on_record(company: AfricasTalking) -> None:
    send(company, message="for the record")
    assert json.loads(json.dumps(company.requests_seen[-1].form()))["message"] == "for the record"
