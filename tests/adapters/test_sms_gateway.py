"""SMS through Africa's Talking: the contract of `SmsGateway`, over the pretend company and over stranger answers."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Iterator

import pytest
from africastalking.SMS import SMSService  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.adapters.africastalking import REJECTED, AfricasTalking
from core.adapters.http import Timeouts
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.money import Money
from core.phone import Msisdn
from core.ports import Sms, SmsAccepted, SmsGateway, SmsRejected
from sim.africastalking import AfricasTalking as PretendCompany
from sim.http import Reply, Request, Server, json_reply, text_reply
from tests.services import eventually

CALLER = Msisdn("+254712345678")
KEY = "atsk_key-of-the-town-that-nobody-may-see"
SECRET_TEXT = Sms(CALLER, "Voucher 7K2M-QX4P")
HELLO = Sms(CALLER, "Your 3 hours have begun")
QUICK = Timeouts(connect_seconds=1.0, read_seconds=0.4)


class Town:
    """The pretend company with one account, and our adapter in front of it."""

    def __init__(self) -> None:
        self.company = PretendCompany().start()
        self.company.add_account("duka", KEY, 100_00)
        self.company.add_sender("duka", "DUKA")
        self.company.add_short_code("20880", "duka")

    def gateway(self, sender_id: str | None = "DUKA", api_key: str = KEY, username: str = "duka") -> AfricasTalking:
        return AfricasTalking(username, api_key, sender_id, base_url=self.company.base_url, timeouts=QUICK)

    def sent(self) -> list[dict[str, str]]:
        return [request.form() for request in self.company.requests_seen if request.method == "POST"]

    def say(self, body: object, content_type: str = "application/json", status: int = 201) -> None:
        """Let the company answer the next call with this."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.company.answer_with(status, text, content_type=content_type)


@pytest.fixture
def town() -> Iterator[Town]:
    made = Town()
    yield made
    made.company.stop()
    assert not made.company.server.failures


def recipient(**changes: object) -> dict[str, object]:
    """What an answer says about one recipient."""
    said = {"statusCode": 101, "number": CALLER, "status": "Success", "cost": "KES 0.8000", "messageId": "ATXid_1"}
    return said | changes


def row(**changes: object) -> dict[str, object]:
    """An answer about one recipient."""
    return {"SMSMessageData": {"Message": "Sent to 1/1", "Recipients": [recipient(**changes)]}}


# ---- the story -----------------------------------------------------------------------------------------------------------


def test_an_sms_arrives_with_our_sender_and_its_price(town: Town) -> None:
    gateway: SmsGateway = town.gateway()
    accepted = gateway.send(HELLO)
    (arrived,) = town.company.inbox(CALLER)
    assert (arrived.text, arrived.sender, arrived.message_id) == (HELLO.text, "DUKA", accepted.external_id)
    assert accepted.cost_micro == 800_000
    assert gateway.balance() == Money(99_20, "KES")


def test_long_and_foreign_texts_arrive_unharmed(town: Town) -> None:
    text = "Karibu! " * 40 + "ভাল 🙂 & + % ="
    accepted = town.gateway().send(Sms(CALLER, text))
    assert town.company.inbox(CALLER)[0].text == text
    assert accepted.cost_micro == 800_000 * town.company.inbox(CALLER)[0].parts


def test_without_a_sender_of_our_own_the_shared_one_is_used(town: Town) -> None:
    town.gateway(sender_id=None).send(HELLO)
    assert "from" not in town.sent()[0]
    assert town.company.inbox(CALLER)[0].sender == "AFRICASTKNG"


def test_two_tenants_do_not_mix_up_their_accounts(town: Town) -> None:
    town.company.add_account("other", "another-key", 50_00)
    first, second = town.gateway(), town.gateway(None, "another-key", "other")
    first.send(HELLO)
    second.send(HELLO)
    assert [form["username"] for form in town.sent()] == ["duka", "other"]
    assert (first.balance(), second.balance()) == (Money(99_20, "KES"), Money(49_20, "KES"))


def test_a_reply_to_a_premium_message_carries_its_link(town: Town) -> None:
    town.gateway("20880").send(Sms(CALLER, "Thank you", link_id="SampleLinkId123"))
    (form,) = town.sent()
    assert (form["linkId"], form["from"], form["bulkSMSMode"]) == ("SampleLinkId123", "20880", "0")


def test_a_link_without_a_short_code_of_our_own_goes_as_an_ordinary_message(town: Town) -> None:
    town.gateway(None).send(Sms(CALLER, "Thank you", link_id="SampleLinkId123"))
    (form,) = town.sent()
    assert "linkId" not in form
    assert form["bulkSMSMode"] == "1"


# ---- verdicts on the recipient -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [100, 101, 102])
def test_processed_sent_and_queued_are_accepted(code: int, town: Town) -> None:
    town.say(row(statusCode=code))
    assert town.gateway().send(HELLO) == SmsAccepted("ATXid_1", 800_000)


@pytest.mark.parametrize(
    ("code", "reason", "final"),
    [
        (401, "held", False),
        (402, "sender", False),
        (403, "bad_number", True),
        (404, "bad_number", True),
        (405, "no_balance", False),
        (406, "opted_out", True),
        (407, "no_route", False),
        (409, "opted_out", True),
        (500, "gateway", False),
        (501, "gateway", False),
        (502, "gateway", False),
    ],
)
def test_every_refusal_of_a_recipient_has_our_word(code: int, reason: str, final: bool, town: Town) -> None:
    town.company.fail_next(code, times=2)
    with pytest.raises(SmsRejected) as rejected:
        town.gateway().send(HELLO)
    assert (rejected.value.reason, rejected.value.final, rejected.value.code) == (reason, final, str(code))
    assert not town.company.inbox(CALLER)
    assert str(code) in REJECTED


def test_a_sender_that_is_not_approved_is_left_out_once(town: Town) -> None:
    accepted = town.gateway("NOTOURS").send(HELLO)
    assert [form.get("from") for form in town.sent()] == ["NOTOURS", None]
    assert town.company.inbox(CALLER)[0].message_id == accepted.external_id


def test_a_refusal_of_the_shared_sender_is_not_tried_again(town: Town) -> None:
    town.company.fail_next(402)
    with pytest.raises(SmsRejected):
        town.gateway(None).send(HELLO)
    assert len(town.sent()) == 1


def test_somebody_who_blocked_our_sender_is_final(town: Town) -> None:
    town.company.opt_out(CALLER, "DUKA")
    with pytest.raises(SmsRejected) as rejected:
        town.gateway().send(HELLO)
    assert (rejected.value.reason, rejected.value.final) == ("opted_out", True)


def test_an_empty_account_is_not_final(town: Town) -> None:
    town.company.accounts["duka"].balance_minor = 79
    with pytest.raises(SmsRejected) as rejected:
        town.gateway().send(HELLO)
    assert (rejected.value.reason, rejected.value.final) == ("no_balance", False)
    assert town.gateway().balance() == Money(79, "KES")


@pytest.mark.parametrize("code", [103, 408, 999, "", None, "Success", [101], True])
def test_a_code_we_do_not_know_is_told_loudly(code: object, town: Town) -> None:
    town.say(row(statusCode=code))
    with pytest.raises(GatewayRefused, match="do not know"):
        town.gateway().send(HELLO)


@pytest.mark.parametrize(
    ("word", "reason"),
    [("InvalidSenderId", "sender"), ("InsufficientBalance", "no_balance"), ("UserInBlacklist", "opted_out"),
     ("userinblackLIST", "opted_out")],
)  # fmt: skip
def test_a_verdict_may_stand_in_the_summary_when_no_recipient_is_listed(word: str, reason: str, town: Town) -> None:
    town.say({"SMSMessageData": {"Message": word, "Recipients": []}})
    with pytest.raises(SmsRejected) as rejected:
        town.gateway(None).send(HELLO)
    assert rejected.value.reason == reason


def test_nothing_about_our_recipient_is_told_loudly(town: Town) -> None:
    for recipients in ([], None, [None], [{"number": "+1"}, {"number": "+2"}]):
        town.say({"SMSMessageData": {"Message": "Odd", "Recipients": recipients}})
        with pytest.raises(GatewayRefused, match="Odd"):
            town.gateway().send(HELLO)


def test_the_only_recipient_is_ours_however_they_write_the_number(town: Town) -> None:
    town.say(row(number=CALLER.digits))
    assert town.gateway().send(HELLO).external_id == "ATXid_1"


def test_of_several_recipients_ours_is_found_by_number(town: Town) -> None:
    answer = {"SMSMessageData": {"Recipients": [{"number": "+254700000000", "statusCode": 403}, recipient()]}}
    town.say(answer)
    assert town.gateway().send(HELLO).external_id == "ATXid_1"


# ---- price and id --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "micro"),
    [("KES 0.8000", 800_000), ("KES 1.60", 1_600_000), ("0", 0), (0, 0), (0.8, 800_000), (0.29, 290_000),
     ("KES 0.000001", 1), ("KES 12345.678901", 12_345_678_901), ("0.7", 700_000), ("USD 0.0200", None),
     ("KES", None), ("", None), (None, None), ("free", None), ("KES 0.0000001", None), ("KES 1e3", None),
     ("NaN", None), ([], None)],
)  # fmt: skip
def test_the_price_is_exact_or_unknown(cost: object, micro: int | None, town: Town) -> None:
    town.say(row(cost=cost))
    assert town.gateway().send(HELLO).cost_micro == micro


@pytest.mark.parametrize("message_id", ["None", None, 5])
def test_a_message_without_an_id_is_still_accepted(message_id: object, town: Town) -> None:
    town.say(row(messageId=message_id))
    assert town.gateway().send(HELLO).external_id == ""


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", ""])
def test_json_under_another_content_type_is_understood(content_type: str, town: Town) -> None:
    town.say(row(), content_type)
    town.say({"UserData": {"balance": "KES 12.3400"}}, content_type, status=200)
    assert town.gateway().send(HELLO) == SmsAccepted("ATXid_1", 800_000)
    assert town.gateway().balance() == Money(12_34, "KES")


# ---- trouble -------------------------------------------------------------------------------------------------------------


def test_a_company_that_is_down_has_sent_nothing(town: Town) -> None:
    town.company.go_down()
    with pytest.raises(GatewayDown):
        town.gateway().send(HELLO)
    with pytest.raises(GatewayDown):
        town.gateway().balance()
    town.company.come_up()
    assert town.gateway().send(HELLO).external_id


@pytest.mark.parametrize("after_acting", [True, False])
def test_silence_after_sending_is_unknown(after_acting: bool, town: Town) -> None:
    town.company.fall_silent(after_acting=after_acting)
    with pytest.raises(OutcomeUnknown):
        town.gateway().send(HELLO)
    assert len(town.company.inbox(CALLER)) == after_acting
    assert len(town.sent()) == 1


def test_a_connection_that_breaks_after_sending_is_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.settimeout(5)

        def hang_up_on_the_caller() -> None:
            connection, _ = listener.accept()
            data = b""
            while b"message=" not in data:
                data += connection.recv(65536)
            connection.close()

        thread = threading.Thread(target=hang_up_on_the_caller)
        thread.start()
        with pytest.raises(OutcomeUnknown):
            AfricasTalking("duka", KEY, base_url=url, timeouts=QUICK).send(HELLO)
        thread.join(5)


def test_trouble_with_the_balance_only_delays(town: Town) -> None:
    town.company.fall_silent()
    with pytest.raises(GatewayDown):
        town.gateway().balance()
    for body in ("", "[]", "{}", '{"UserData": {}}', '{"UserData": {"balance": "a lot"}}', '{"UserData": []}',
                 '{"UserData": {"balance": "XYZ 5.0000"}}'):  # fmt: skip
        town.say(body, status=200)
        with pytest.raises(GatewayDown):
            town.gateway().balance()


@pytest.mark.parametrize(
    ("told", "money"),
    [("KES 1785.5000", Money(178_550, "KES")), ("KES 0.0099", Money(0, "KES")), ("USD 999999.0000", Money(99_999_900, "USD")),
     ("KES -12.5000", Money(-12_50, "KES")), ("UGX 5000.0000", Money(5000, "UGX")), ("77.7700", Money(77_77, "KES"))],
)  # fmt: skip
def test_the_balance_is_exact_and_in_the_currency_told(told: str, money: Money, town: Town) -> None:
    town.say({"UserData": {"balance": told}}, status=200)
    assert town.gateway().balance() == money


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "Too Many Requests"), (500, "Internal Server Error"), (502, "<html><h1>Bad Gateway</h1></html>"),
     (503, "Service Unavailable"), (504, "Gateway Timeout"), (500, ""), (500, "There was an internal server error."),
     (503, "<html>\n<title>invalid</title></html>"), (418, "Nobody ever saw these words")],
)  # fmt: skip
def test_trouble_over_there_is_for_later(status: int, words: str, town: Town) -> None:
    town.say(words, "text/plain", status)
    with pytest.raises(GatewayDown):
        town.gateway().send(HELLO)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "The supplied authentication is invalid"), (400, "Must have username in your request"),
     (400, "Request is missing required form field 'to'"), (400, "The request content was malformed:\nx"),
     (404, "The requested resource could not be found.")],
)  # fmt: skip
def test_a_refusal_of_the_whole_call_is_the_operators_business(status: int, words: str, town: Town) -> None:
    town.say(words, "text/plain", status)
    with pytest.raises(GatewayRefused) as refused:
        town.gateway().send(HELLO)
    assert (refused.value.code, refused.value.permanent) == ("configuration", True)
    assert words.partition(":")[0] in str(refused.value)


def test_wrong_keys_are_the_operators_business(town: Town) -> None:
    for gateway in (town.gateway(api_key="wrong"), town.gateway(username="nobody")):
        with pytest.raises(GatewayRefused):
            gateway.send(HELLO)
        with pytest.raises(GatewayRefused):
            gateway.balance()


@pytest.mark.parametrize("number", ["0712345678", "254712345678", "+2547\n12345678", "", "+", "+0712345678"])
def test_a_number_that_is_none_never_leaves(number: str, town: Town) -> None:
    with pytest.raises(GatewayRefused) as refused:
        town.gateway().send(Sms(Msisdn(number), "Hello"))
    assert refused.value.code == "number"
    assert not town.company.requests_seen


@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
@pytest.mark.parametrize("body", ["", "null", "[]", "5", "Success", "{" * 3000, "[" * 100_000, '{"SMSMessageData": null}',
                                  '{"a": ' + "9" * 5000 + "}", "<html></html>", '{"SMSMessageData": []}'])  # fmt: skip
def test_a_success_that_cannot_be_read_is_unknown(body: str, content_type: str, town: Town) -> None:
    town.say(body, content_type)
    with pytest.raises(OutcomeUnknown):
        town.gateway().send(HELLO)


class Stranger:
    """A company that says what it was told to say."""

    def __init__(self) -> None:
        self.answer = text_reply(200, "")
        self.server = Server(lambda _request: self.answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.address[1]}"


STRANGER = Stranger()


@pytest.fixture(scope="module", autouse=True)
def _stranger() -> Iterator[None]:
    STRANGER.server.start("127.0.0.1", 0)
    yield
    STRANGER.server.stop()


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.sampled_from([101, "101", "None", CALLER]),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*row(), "Recipients", "cost"]), inner)
        ),
        max_leaves=8,
    )
)
def test_whatever_they_say_about_a_recipient_ends_in_one_of_our_ways(said: object) -> None:
    for body in (
        said,
        {"SMSMessageData": said},
        {"SMSMessageData": {"Recipients": [said]}},
        row(cost=said),
        row(messageId=said),
    ):
        STRANGER.answer = json_reply(201, body)
        try:
            accepted = AfricasTalking("duka", KEY, base_url=STRANGER.url, timeouts=QUICK).send(HELLO)
        except (GatewayFailure, SmsRejected) as end:
            assert len(str(end)) < 400
        else:
            assert accepted.cost_micro is None or isinstance(accepted.cost_micro, int)


# ---- set-up and secrets --------------------------------------------------------------------------------------------------


def test_the_package_is_pointed_elsewhere_in_all_its_ways(town: Town) -> None:
    gateway = AfricasTalking("sandbox", KEY, "20880", base_url=town.company.base_url + "/", timeouts=QUICK)
    town.company.add_account("sandbox", KEY)
    gateway.send(HELLO)
    gateway.balance()
    gateway.send(Sms(CALLER, "Thank you", link_id="x"))
    eventually(lambda: len(town.company.requests_seen) >= 3)
    assert {request.path for request in town.company.requests_seen} == {"/version1/messaging", "/version1/user"}


def test_without_an_address_the_package_keeps_its_own() -> None:
    assert SMSService("duka", KEY)._make_url("/messaging") == "https://api.africastalking.com/version1/messaging"
    assert AfricasTalking("duka", KEY)._sms._make_url("/x") == "https://api.africastalking.com/version1/x"
    sandbox = AfricasTalking("sandbox", KEY)
    assert sandbox._sms._make_url("/x") == "https://api.sandbox.africastalking.com/version1/x"


@pytest.mark.parametrize(("username", "key"), [("duka", "key\nX: y"), ("duka", ""), ("", KEY), ("du ka", KEY),
                                               ("duka", "k\u2026y")])  # fmt: skip
def test_odd_keys_are_refused_without_being_shown(username: str, key: str) -> None:
    with pytest.raises(GatewayRefused) as refused:
        AfricasTalking(username, key)
    assert refused.value.code == "configuration"
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize("trouble", ["none", "echo", "html", "silence", "down", "unreadable"])
def test_neither_key_nor_text_nor_number_is_shown(trouble: str, town: Town) -> None:
    shown = ""
    gateway = town.gateway()
    match trouble:
        case "echo":
            STRANGER.server.route = echo_everything
            gateway = AfricasTalking("duka", KEY, base_url=STRANGER.url, timeouts=QUICK)
        case "html":
            town.company.html_error_page()
        case "silence":
            town.company.fall_silent()
        case "down":
            town.company.go_down()
        case "unreadable":
            town.say("PIN 1234 " + CALLER)
    with capture_logs() as logs:
        try:
            gateway.send(SECRET_TEXT)
        except GatewayFailure as failure:
            shown = "".join(traceback.format_exception(failure)) + repr(failure.__context__) + repr(failure.args)
    STRANGER.server.route = lambda _request: STRANGER.answer
    everything = shown + repr(logs) + repr(gateway)
    assert [word for word in (KEY, "7K2M-QX4P", CALLER, CALLER.digits) if word in everything] == []
    assert bool(shown) is (trouble != "none")
    assert logs


def echo_everything(request: Request) -> Reply:
    """A company that throws back at us what it was told."""
    return text_reply(400, f"Invalid: {request.headers['apikey']} to {CALLER} {CALLER.digits}")
