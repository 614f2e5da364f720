"""Delivery reports and opt-outs from the gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core import messaging
from core.audit import AuditEntry
from core.config import Settings
from core.messaging import Message
from core.phone import Msisdn
from core.ports import SmsAccepted
from tests.doors.ussd_kit import CALLER, NEIGHBOUR, Stand, open_stand, running_stand


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        yield stand


def sent_message(stand: Stand, external_id: str = "ATXid_1") -> None:
    with stand.app.work(stand.tenant_id) as uow:
        message = messaging.reply(uow, external_id, Msisdn(CALLER), "hello")
        assert message is not None
        messaging.sent(uow, message.id, SmsAccepted(external_id=external_id, cost_micro=800_000))


def report(stand: Stand, status: str, external_id: str = "ATXid_1", **more: str) -> int:
    form = {
        "id": external_id,
        "status": status,
        "phoneNumber": CALLER,
        "networkCode": "63902",
        "retryCount": "0",
    } | more
    return stand.post(stand.sms_path + "/delivery", **form).status_code


def the_message(stand: Stand) -> Message:
    return stand.messages()[-1]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Sent", "sent"), ("Submitted", "sent"), ("Buffered", "sent"), ("Success", "delivered"), ("success", "delivered"),
        ("Failed", "failed"), ("Rejected", "failed"), ("Expired", "failed"), ("AbsentSubscriber", "failed"),
    ],
)  # fmt: skip
def test_their_words_become_our_states(stand: Stand, word: str, state: str) -> None:
    sent_message(stand)
    assert report(stand, word) == 200
    assert the_message(stand).state == state


def test_reports_in_the_wrong_order_and_twice_never_move_back(stand: Stand) -> None:
    sent_message(stand)
    for word in ("Success", "Sent", "Buffered", "Failed", "Success"):
        assert report(stand, word) == 200
    assert the_message(stand).state == "delivered"


def test_an_unknown_word_is_written_down_and_changes_nothing(stand: Stand) -> None:
    sent_message(stand)
    assert report(stand, "Teleported") == 200
    assert the_message(stand).state == "accepted"
    with stand.app.work(stand.tenant_id) as uow:
        (entry,) = uow.session.query(AuditEntry).filter_by(event="message.report_not_understood")
        assert entry.facts == {"status": "Teleported", "message": "ATXid_1"}


def test_a_blacklisted_subscriber_is_left_alone_from_then_on(stand: Stand) -> None:
    sent_message(stand)
    report(stand, "Failed", failureReason="UserInBlackList")
    assert the_message(stand).reason == "UserInBlackList"
    stand.text("HELP")
    assert the_message(stand).state == "failed"
    assert stand.owed("SendMessage")[1:] == [], "only the first message was ever to be sent"


@pytest.mark.parametrize(
    "form",
    [{}, {"id": ""}, {"id": "nobody", "status": "Success"}, {"id": "x" * 5000, "status": "y" * 5000}, {"id": "\0", "status": "\0"},
     {"status": "Success"}, {"id": "1", "status": "Failed", "failureReason": "🎉" * 300}],
)  # fmt: skip
def test_every_report_is_accepted(stand: Stand, form: dict[str, str]) -> None:
    assert stand.post(stand.sms_path + "/delivery", **form).status_code == 200


def test_a_report_for_another_isps_message_changes_nothing(stand: Stand) -> None:
    sent_message(stand)
    other = open_stand(stand.app, stand.clock, stand.web, "other")
    report(other, "Failed")
    assert the_message(stand).state == "accepted"


def test_an_opt_out_at_the_gateway_blocks_the_number(stand: Stand) -> None:
    response = stand.post(stand.sms_path + "/optout", senderId="KIOSK", phoneNumber=CALLER)
    assert response.status_code == 200
    assert not stand.may_market()
    stand.text("HELP")
    assert the_message(stand).state == "failed"
    assert stand.may_market(NEIGHBOUR)


def test_an_opt_out_from_somebody_elses_sender_is_not_ours(stand: Stand) -> None:
    stand.post(stand.sms_path + "/optout", senderId="OTHERS", phoneNumber=CALLER)
    assert stand.may_market()


@pytest.mark.parametrize("form", [{}, {"phoneNumber": "x"}, {"phoneNumber": "0202345678"}, {"senderId": "\0" * 99}])
def test_every_opt_out_is_accepted(stand: Stand, form: dict[str, str]) -> None:
    assert stand.post(stand.sms_path + "/optout", **form).status_code == 200
