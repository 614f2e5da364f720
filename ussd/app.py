"""Flask factory of the USSD and SMS process. What Africa's Talking posts comes in here; answers are plain text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from core import dialogs, logs, messaging
from core.app import App, open_app
from core.phone import BadPhone
from core.roles import CUSTOMER
from ussd import africastalking, screens, sms
from ussd.addresses import Addresses
from ussd.africastalking import BadPost, Form
from ussd.menu import Turn, converse
from ussd.shop import Shops

BODY_BYTES_MAX = 16 * 1024
FORM = "application/x-www-form-urlencoded"
SORRY = "END Sorry, this does not work right now. Please try again in a minute."

__all__ = ["create_app", "make", "screens"]

log = structlog.get_logger()


class Door(Flask):
    """Flask, but what it logs about a failure names the page and not the address, which contains a secret."""

    def log_exception(self, exc_info: Any) -> None:
        log.error("request failed", endpoint=request.endpoint, exc_info=exc_info)


def create_app(app: App) -> Flask:
    """The door over an open `App`."""
    web = Door("ussd", static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    web.url_map.merge_slashes = False  # an invented address is not found, not redirected
    addresses, shops = Addresses(app), Shops()

    def page(path: str, door: str, answer: Callable[[App, Shops, int, Form], str]) -> None:
        def view(secret: str) -> Response:
            tenant_id = addresses.tenant_of(door, secret)
            if tenant_id is None:
                abort(404)
            if request.mimetype != FORM:
                abort(415)
            try:
                return _text(answer(app, shops, tenant_id, request.form))
            except (BadPost, BadPhone, dialogs.NotYourSession) as error:
                log.warning("post refused", page=answer.__name__, tenant_id=tenant_id, reason=str(error))
                return _text(str(error), 400)

        web.add_url_rule(path, answer.__name__, view, methods=["POST"])

    page("/ussd/africastalking/<secret>", "ussd", hop)
    page("/ussd/africastalking/<secret>/ended", "ussd", session_ended)
    page("/sms/africastalking/<secret>", "sms", sms.received)
    page("/sms/africastalking/<secret>/delivery", "sms", delivery)
    page("/sms/africastalking/<secret>/optout", "sms", sms.opted_out)

    @web.get("/healthz")
    def healthz() -> Response:
        """Alive, and the database answers."""
        with app.work(None):
            return _text("ok")

    @web.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        """No HTML, no traceback: a word, or for a failure of ours something that a phone can show."""
        status = error.code or 500
        answer = _text(SORRY if status == 500 else error.name, status)
        if status == 405:
            answer.headers["Allow"] = dict(error.get_headers()).get("Allow", "POST")
        return answer

    return web


def make() -> Flask:
    """The application of one production process."""
    logs.set_up("ussd")
    return create_app(open_app())


def hop(app: App, shops: Shops, tenant_id: int, form: Form) -> str:
    """One step of a USSD session: one transaction. A step that came before gets the answer it got before."""
    dial = africastalking.dial(form)
    with app.work(tenant_id, CUSTOMER) as uow:
        shop = shops.of(uow)
        msisdn = africastalking.number(dial.phone, shop.country)
        told = (
            dialogs.open_(uow, dial.session_id, msisdn)
            if dial.typed
            else dialogs.Conversation.first(dial.session_id, msisdn)
        )
        said = told.repeated(len(dial.typed))
        if said is not None:
            return said
        turn = Turn(
            uow, shop, dial.session_id, msisdn, dial.network, told.memory.get("language") or shop.language,
            told.customer_id, [], resumable=not dial.typed,
        )  # fmt: skip
        reply = converse(turn, told, dial.typed)
    log.debug("hop", session_id=dial.session_id, tenant_id=tenant_id, screen=told.screen, steps=told.steps)
    return reply


def session_ended(app: App, _shops: Shops, tenant_id: int, form: Form) -> str:
    """The session is over: where did it stop? Whatever they send is fine."""
    notice = africastalking.ended(form)
    screen = None
    if notice.session_id:
        with app.work(tenant_id) as uow:
            screen = dialogs.ended(uow, notice.session_id)
    log.info(
        "session ended", session_id=notice.session_id, tenant_id=tenant_id, status=notice.status, screen=screen,
        cost=notice.cost, hops=notice.hops, took_ms=notice.duration_ms,
    )  # fmt: skip
    return "ok"


def delivery(app: App, _shops: Shops, tenant_id: int, form: Form) -> str:
    """What became of a message. An unknown word changes nothing but is written down."""
    try:
        report = africastalking.report(form)
    except BadPost as error:
        log.warning("delivery report ignored", tenant_id=tenant_id, reason=str(error))
        return sms.IGNORED
    with app.work(tenant_id) as uow:
        if report.state is None:
            uow.record("message.report_not_understood", None, status=report.word, message=report.id)
            known = False
        else:
            known = messaging.delivered(uow, report.id, report.state, report.reason)
    log.info("delivery report", tenant_id=tenant_id, message=report.id, status=report.word, known=known)
    return "ok"


def _text(words: str, status: int = 200) -> Response:
    return Response(words, status, content_type="text/plain; charset=utf-8")
