"""Trouble with Africa's Talking: nothing was sent, nobody knows, or the operator must act."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.africastalking import AfricasTalking
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.phone import Msisdn
from core.ports import Sms, SmsRejected
from sim.http import Reply, json_reply
from tests.adapters.our_side import Page
from tests.adapters.sms_gateway_kit import CALLER, HELLO, KEY, QUICK, Stranger, Town, row, stranger, town

__all__ = ["stranger", "town"]


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


def always(reply: Reply) -> Page:
    return lambda _request: reply


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
def test_whatever_they_say_about_a_recipient_ends_in_one_of_our_ways(stranger: Stranger, said: object) -> None:
    for body in (
        said,
        {"SMSMessageData": said},
        {"SMSMessageData": {"Recipients": [said]}},
        row(cost=said),
        row(messageId=said),
    ):
        stranger.page = always(json_reply(201, body))
        try:
            accepted = stranger.gateway().send(HELLO)
        except (GatewayFailure, SmsRejected) as end:
            assert len(str(end)) < 400
        else:
            assert accepted.cost_micro is None or isinstance(accepted.cost_micro, int)
