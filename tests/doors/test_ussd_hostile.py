"""What else may arrive at the door: malformed, oversized, hostile and misdirected posts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from core import tenants
from core.config import Settings
from core.customers import Customer
from core.dialogs import Dialog
from tests.doors.ussd_kit import CALLER, NEIGHBOUR, SAFARICOM, Call, Stand, open_stand, running_stand
from ussd import addresses

SESSION = "ATUid_0123456789abcdef0123456789abcdef"


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        stand.package()
        yield stand


def form(**changes: str) -> dict[str, str]:
    return {
        "sessionId": SESSION, "phoneNumber": CALLER, "networkCode": SAFARICOM, "serviceCode": "*384*35711#", "text": "",
    } | changes  # fmt: skip


def dialogs_of(stand: Stand) -> int:
    with stand.app.work(stand.tenant_id) as uow:
        return uow.session.query(Dialog).count()


# ---- the address


@pytest.mark.parametrize("secret", ["x", "x" * 32, "x" * 500, "%00", "%f0%9f%92%a9", "..%2f", "' OR 1=1--", "{0}"])
@pytest.mark.parametrize("tail", ["", "/ended"])
def test_a_wrong_secret_is_not_found(stand: Stand, secret: str, tail: str) -> None:
    assert stand.web.post(f"/ussd/africastalking/{secret}{tail}", data=form()).status_code == 404
    assert stand.web.post(f"/sms/africastalking/{secret}", data={"from": CALLER, "text": "BAL"}).status_code == 404


def test_the_secret_of_one_door_does_not_open_the_other(stand: Stand) -> None:
    ussd, sms = stand.ussd_path.rpartition("/")[2], stand.sms_path.rpartition("/")[2]
    assert stand.web.post(f"/sms/africastalking/{ussd}", data={"from": CALLER, "text": "BAL"}).status_code == 404
    assert stand.web.post(f"/ussd/africastalking/{sms}", data=form()).status_code == 404


def test_a_secret_leads_to_its_own_isp_only(stand: Stand) -> None:
    other = open_stand(stand.app, stand.clock, stand.web, "other")
    other.package("X", "7", 1, name="Other package")
    assert "Other package" in other.dial().screen
    call = stand.dial()
    assert "Other package" not in call.screen
    call.answer("1", "1")
    assert other.purchases() == []
    assert len(stand.purchases()) == 1
    borrowed = Call(other, CALLER, SAFARICOM, call.session_id)
    assert "Other package" in borrowed.post(), "the same session id at another ISP is another session"


def test_wrong_and_right_addresses_are_remembered_for_half_a_minute_only(stand: Stand) -> None:
    for _ in range(3):
        assert stand.web.post("/ussd/africastalking/" + "y" * 32, data=form()).status_code == 404
    assert stand.dial().open
    with stand.app.work(stand.tenant_id) as uow:
        uow.session.query(tenants.models.DoorSecret).delete()
    assert stand.dial().open, "still remembered"
    stand.pass_time(31)
    assert stand.web.post(stand.ussd_path, data=form()).status_code == 404


def test_many_guesses_do_not_push_out_who_is_known(stand: Stand) -> None:
    book = addresses.Addresses(stand.app)
    secret = stand.ussd_path.rpartition("/")[2]
    assert book.tenant_of("ussd", secret) == stand.tenant_id
    for number in range(addresses.STRANGE_MAX + 10):
        book._strange[("ussd", number.to_bytes(4, "big"))] = (stand.clock.now(), None)
    assert book.tenant_of("ussd", "z" * 32) is None
    assert len(book._strange) == 1
    assert book.tenant_of("ussd", secret) == stand.tenant_id


# ---- the form


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_only_posts(stand: Stand, method: str) -> None:
    response = getattr(stand.web, method)(stand.ussd_path)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_only_forms(stand: Stand, kind: str) -> None:
    assert stand.web.post(stand.ussd_path, data=b"{}", content_type=kind).status_code == 415


def test_a_body_that_is_too_large_is_refused_before_it_is_read(stand: Stand) -> None:
    assert stand.post(stand.ussd_path, **form(text="1" * 17_000)).status_code == 413


@pytest.mark.parametrize("session_id", ["", "a" * 129, "a b", "a\0b", "'; DROP TABLE dialog;--", "ü", "a\n"])
def test_a_bad_session_id_is_refused_in_words(stand: Stand, session_id: str) -> None:
    response = stand.post(stand.ussd_path, **form(sessionId=session_id))
    assert response.status_code == 400
    assert response.text == "sessionId is missing or malformed"
    assert dialogs_of(stand) == 0


@pytest.mark.parametrize(
    "phone",
    ["", " ", "abc", "07123456789", "0202345678", "+2547 ***** 126", "2547 ***** 126", "a" * 64, "8801712345678", "+1",
     "+256712345678", "0" * 300, "+254712345678;ext=1", "KIOSK", "\0", "0712345678\n0722"],
)  # fmt: skip
def test_a_number_that_is_no_mobile_of_this_country_is_refused_in_words(stand: Stand, phone: str) -> None:
    response = stand.post(stand.ussd_path, **form(phoneNumber=phone))
    assert response.status_code == 400
    assert response.text in ("phoneNumber is missing", "This is not a mobile number we can use.")
    assert dialogs_of(stand) == 0


@pytest.mark.parametrize(
    "phone", ["0712345678", "712345678", "254712345678", "2540712345678", "+254 0712345678", "00254712345678"]
)
def test_every_way_to_write_a_number_is_the_same_caller(stand: Stand, phone: str) -> None:
    stand.customer(CALLER)
    call = Call(stand, phone, SAFARICOM, SESSION)
    call.post()
    call.choose("Balance")
    with stand.app.work(stand.tenant_id) as uow:
        assert uow.session.query(Customer).count() == 1


@pytest.mark.parametrize("network", ["", "abc", "1", "9" * 40, "63902; DROP", "６３９０２"])
def test_a_strange_network_code_is_as_good_as_none(stand: Stand, network: str) -> None:
    call = stand.dial(network=network)
    call.answer("1", "1")
    assert call.screen.startswith("Enter your M-Pesa PIN")


def test_missing_fields_and_unknown_ones_do_not_matter(stand: Stand) -> None:
    response = stand.post(stand.ussd_path, sessionId=SESSION, phoneNumber=CALLER, surprise="1", input="x" * 200)
    assert response.text.startswith("CON Kiosk Net")


@pytest.mark.parametrize(
    "answer",
    ["a" * 500, "🎉", "\x00\x01\x1b[31m", "{}", "{0.__class__}", "%s%n", "' OR '1'='1", "<script>", "\u202e1", "-1", "0x1",
     "1e3", "١", "+1", "98" * 50, "\r\n", "\ud7ff", "ＡＢＣ", "9" * 4000, "000", "10", "7"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["menu", "voucher", "device"])
def test_any_answer_gets_a_screen(stand: Stand, answer: str, where: str) -> None:
    call = stand.dial()
    if where == "voucher":
        call.choose("Voucher")
    if where == "device":
        call.choose("My devices")
        call.choose("Add a device")
    call.answer(answer)
    assert call.open
    assert stand.purchases() == []
    assert "{" not in call.screen
    assert "Traceback" not in call.screen


@pytest.mark.parametrize("text", ["*" * 1000, "**", "*1", "1**", "1*" * 500])
def test_stars_do_no_harm(stand: Stand, text: str) -> None:
    call = Call(stand, CALLER, SAFARICOM, SESSION)
    call.post(text)
    assert len(stand.purchases()) <= 1
    again = call.screen
    assert call.post(text) == again


@pytest.mark.parametrize(("typed", "status"), [(b"%ff%fe%c0%af", 200), (b"\xff\xfe", 400), (b"%", 200), (b"%zz", 200)])
def test_bytes_that_are_no_utf8_do_no_harm(stand: Stand, typed: bytes, status: int) -> None:
    body = f"sessionId={SESSION}&phoneNumber=%2B254712345678&text=".encode() + typed
    response = stand.web.post(stand.ussd_path, data=body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == status
    assert response.text.startswith("CON Please choose" if status == 200 else "sessionId is missing")


def test_a_field_given_twice_counts_once(stand: Stand) -> None:
    body = f"sessionId={SESSION}&phoneNumber=%2B254712345678&phoneNumber=%2B254722000111&text="
    response = stand.web.post(stand.ussd_path, data=body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200
    with stand.app.work(stand.tenant_id) as uow:
        assert [row.msisdn for row in uow.session.query(Dialog)] == [CALLER]


def test_a_session_of_another_number_stays_with_it(stand: Stand) -> None:
    call = stand.dial()
    call.answer("1")
    response = stand.post(stand.ussd_path, **form(sessionId=call.session_id, phoneNumber=NEIGHBOUR, text="1*1"))
    assert response.status_code == 400
    assert response.text == "This session belongs to another number."
    assert stand.purchases() == []
    call.answer("1")
    assert len(stand.purchases()) == 1


def test_memory_from_an_older_version_leads_to_the_first_screen(stand: Stand) -> None:
    call = stand.dial()
    with stand.app.work(stand.tenant_id) as uow:
        (dialog,) = uow.session.query(Dialog).all()
        memory = dict(dialog.memory)
        memory["options"] = [["Gone", "a_screen_of_old", {}]]
        memory["shown"], memory["trail"] = 1, [["another_of_old", {}]]
        dialog.memory = memory
    assert call.answer("0").startswith("Kiosk Net: choose a package")


# ---- the end notice


@pytest.mark.parametrize(
    "notice",
    [
        {"status": "Success", "cost": "KES 0.50", "durationInMillis": "11325", "hopsCount": "3", "input": "1*1"},
        {"status": "Incomplete", "cost": "0.5", "durationInMillis": "x", "hopsCount": "", "errorMessage": "lost"},
        {"status": "Failed", "cost": "", "durationInMillis": "1.5", "hopsCount": "9" * 40, "input": "*" * 3000},
        {"status": "😀" * 200, "cost": "\0", "lastAppResponse": "\xff"},
        {},
    ],
)
def test_every_end_notice_is_accepted(stand: Stand, notice: dict[str, str]) -> None:
    call = stand.dial()
    response = stand.post(
        stand.ussd_path + "/ended", sessionId=call.session_id, phoneNumber=CALLER, date="2026-11-20 09:00:00", **notice
    )
    assert response.status_code == 200
    with stand.app.work(stand.tenant_id) as uow:
        (dialog,) = uow.session.query(Dialog).all()
        assert dialog.ended_at == stand.clock.now()


@pytest.mark.parametrize("session_id", ["", "never-seen", "\0", "x" * 4000])
def test_an_end_notice_for_nothing_is_accepted(stand: Stand, session_id: str) -> None:
    assert stand.post(stand.ussd_path + "/ended", sessionId=session_id).status_code == 200


def test_a_session_that_the_gateway_calls_incomplete_can_be_continued(stand: Stand) -> None:
    call = stand.dial()
    call.answer("1")
    stand.post(stand.ussd_path + "/ended", sessionId=call.session_id, status="Incomplete")
    assert "cut off" in stand.dial().screen


# ---- what leaks


def test_nothing_secret_is_logged(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        call = stand.dial()
        call.choose("Voucher")
        call.answer("0VCHR5ECRT")
        stand.post(stand.ussd_path + "/ended", sessionId=call.session_id, input="4*0VCHR5ECRT", status="Success")
        stand.post(stand.ussd_path, **form(phoneNumber="0202345678"))
        stand.post(stand.sms_path, **{"id": "1", "from": CALLER, "to": "22999", "text": "V 0VCHR5ECRT"})
    logged = repr(events) + caplog.text
    assert any(event["event"] == "session ended" and event["screen"] == "voucher" for event in events), events
    for secret in ("0VCHR5ECRT", CALLER, CALLER[1:], stand.ussd_path[-20:], stand.sms_path[-20:]):
        assert secret not in logged, secret


@contextmanager
def without_dialogs(stand: Stand) -> Iterator[None]:
    """The table of conversations is gone, and comes back: the database serves other tests too."""
    with stand.app.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE dialog RENAME TO dialog_away")
    try:
        yield
    finally:
        with stand.app.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE dialog_away RENAME TO dialog")


def test_a_failure_of_ours_ends_the_session_without_a_trace(stand: Stand) -> None:
    """The database goes away: the phone gets a sentence, the log gets the reason but not the address."""
    stand.dial()
    stand.web.application.config["PROPAGATE_EXCEPTIONS"] = False
    with without_dialogs(stand), capture_logs() as events:
        response = stand.post(stand.ussd_path, **form())
    assert response.status_code == 500
    assert response.text == "END Sorry, this does not work right now. Please try again in a minute."
    (event,) = [event for event in events if event["event"] == "request failed"]
    assert event["endpoint"] == "hop"
    assert stand.ussd_path[-20:] not in repr({key: value for key, value in event.items() if key != "exc_info"})


def test_the_door_says_that_it_is_alive(stand: Stand) -> None:
    response = stand.web.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok")


def test_pages_that_do_not_exist_are_a_word(stand: Stand) -> None:
    response = stand.web.get("/")
    assert (response.status_code, response.text) == (404, "Not Found")
    assert response.content_type.startswith("text/plain")
