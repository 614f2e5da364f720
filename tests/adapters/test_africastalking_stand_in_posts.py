"""What the pretend Africa's Talking posts to us: delivery reports, opt-outs, and the texts of people."""

from __future__ import annotations

import requests

from sim.africastalking import AfricasTalking
from tests.adapters.africastalking_stand_in_kit import CALLER, OTHER, clock, company, rows, send, vendor
from tests.adapters.our_side import OurSide, ours, say

__all__ = ["clock", "company", "ours"]


# ---- reports ---------------------------------------------------------------------------------------------------------


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


# ---- texts of people -------------------------------------------------------------------------------------------------


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
