"""Sending through the pretend Africa's Talking: who is accepted, who is refused, what it costs, and trouble on the way."""

from __future__ import annotations

import hashlib
import json
import re
import threading

import pytest
import requests
from africastalking.Application import ApplicationService
from africastalking.Service import AfricasTalkingException

from sim.africastalking import AfricasTalking, NoSms
from sim.africastalking.gsm import parts, septets
from tests.adapters.africastalking_stand_in_kit import CALLER, KEY, NOON, OTHER, clock, company, rows, send, vendor
from tests.adapters.our_side import ours

__all__ = ["clock", "company", "ours"]


FIXED_LINE = "+254202345678"


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


def test_waiting_for_a_message_that_does_not_come_ends(company: AfricasTalking) -> None:
    with pytest.raises(NoSms):
        company.wait_for_sms(CALLER, "receipt", timeout_seconds=0.05)
    waiter = threading.Thread(target=lambda: send(company, message="your receipt"))
    waiter.start()
    assert company.wait_for_sms(CALLER, "receipt").text == "your receipt"
    waiter.join()


# ---- trouble ---------------------------------------------------------------------------------------------------------


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
