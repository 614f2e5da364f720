"""The town over HTTP, for its web page and for `make demo`: JSON in, JSON out, on loopback only.

    GET  /api/state
    POST /api/register                    {"ussd_url", "ended_url", "sms_url", "delivery_url", "opt_out_url"}
    POST /api/phones/<msisdn>/dial        {"code"}          empty: the town's service code
    POST /api/phones/<msisdn>/answer      {"digits"}
    POST /api/phones/<msisdn>/hang_up     {}
    POST /api/phones/<msisdn>/pin         {"pin"}
    POST /api/phones/<msisdn>/cancel      {}
    POST /api/phones/<msisdn>/text        {"to", "text"}    empty `to`: the town's short code
    POST /api/paybill                     {"msisdn", "account", "amount_minor", "short_code"}
    POST /api/devices                     {"mac", "router", "hostname"}     all may be left out
    POST /api/devices/<mac>/leave | come_back | log_out     {}
    POST /api/devices/<mac>/change_mac    {"new"}
    POST /api/devices/<mac>/traffic       {"upload_bytes", "download_bytes"}
    POST /api/trouble/<name>              {"on": true}

Each answers with what it changed (see `sim/town.py`), or 400, 404 or 409 with {"error": sentence}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from sim.http import is_loopback
from sim.town import CannotDo, Town

BODY_BYTES_MAX = 64 * 1024
TEXT_LENGTH_MAX = 2000
NUMBER_MAX = 10**15

Act = Callable[[Town, str, "Fields"], dict[str, Any]]


class BadRequest(ValueError):
    """The caller did not say what it must; the message is a sentence."""


class Fields:
    """The JSON object of a request, asked for one checked field at a time."""

    def __init__(self, found: object) -> None:
        if not isinstance(found, dict):
            raise BadRequest("send a JSON object")
        self._found = found

    def text(self, name: str, default: str | None = None) -> str:
        value = self._found.get(name, default)
        if value is None:
            raise BadRequest(f"{name} is missing")
        if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX:
            raise BadRequest(f"{name} is a text")
        return value

    def number(self, name: str) -> int:
        value = self._found.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
            raise BadRequest(f"{name} is a whole number, not below zero")
        return value

    def flag(self, name: str) -> bool:
        value = self._found.get(name)
        if not isinstance(value, bool):
            raise BadRequest(f"{name} is true or false")
        return value


PHONE: dict[str, Act] = {
    "dial": lambda town, msisdn, fields: town.dial(msisdn, fields.text("code", "")),
    "answer": lambda town, msisdn, fields: town.answer(msisdn, fields.text("digits")),
    "hang_up": lambda town, msisdn, _fields: town.hang_up(msisdn),
    "pin": lambda town, msisdn, fields: town.type_pin(msisdn, fields.text("pin")),
    "cancel": lambda town, msisdn, _fields: town.cancel(msisdn),
    "text": lambda town, msisdn, fields: town.text(msisdn, fields.text("to", ""), fields.text("text")),
}
DEVICE: dict[str, Act] = {
    "leave": lambda town, mac, _fields: town.leave(mac),
    "come_back": lambda town, mac, _fields: town.come_back(mac),
    "log_out": lambda town, mac, _fields: town.log_out(mac),
    "change_mac": lambda town, mac, fields: town.change_mac(mac, fields.text("new", "")),
    "traffic": lambda town, mac, fields: town.traffic(
        mac, fields.number("upload_bytes"), fields.number("download_bytes")
    ),
}


def blueprint(town: Town) -> Blueprint:
    """All addresses under `/api`."""
    api = Blueprint("api", __name__, url_prefix="/api")
    api.before_request(_only_from_here)
    api.register_error_handler(CannotDo, _cannot)
    api.register_error_handler(BadRequest, _bad)

    @api.get("/state")
    def state() -> Response:
        return jsonify(town.state())

    @api.post("/register")
    def register() -> Response:
        fields = _fields()
        optional = {
            name: fields.text(name, "") or None for name in ("ended_url", "sms_url", "delivery_url", "opt_out_url")
        }
        return jsonify(town.register(ussd_url=fields.text("ussd_url"), **optional))

    @api.post("/paybill")
    def paybill() -> Response:
        fields = _fields()
        return jsonify(
            town.paybill(
                fields.text("msisdn"),
                fields.text("account"),
                fields.number("amount_minor"),
                fields.text("short_code", ""),
            )
        )

    @api.post("/devices")
    def devices() -> Response:
        fields = _fields()
        return jsonify(town.add_device(*(fields.text(name, "") for name in ("mac", "router", "hostname"))))

    @api.post("/phones/<who>/<what>")
    def phone(who: str, what: str) -> Response:
        return jsonify(_act(PHONE, what)(town, who, _fields()))

    @api.post("/devices/<who>/<what>")
    def device(who: str, what: str) -> Response:
        return jsonify(_act(DEVICE, what)(town, who, _fields()))

    @api.post("/trouble/<name>")
    def trouble(name: str) -> Response:
        return jsonify(town.trouble(name, _fields().flag("on")))

    return api


def _fields() -> Fields:
    if not request.is_json:
        raise BadRequest("send JSON and say so in the content type")  # which a foreign web page cannot do unasked
    try:
        return Fields(request.get_json(silent=True))
    except RecursionError as error:  # brackets in brackets in brackets
        raise BadRequest("send a JSON object") from error


def _act(acts: dict[str, Act], name: str) -> Act:
    if name not in acts:
        raise CannotDo(f"nobody can {name!r} here; what can be done: {', '.join(acts)}", missing=True)
    return acts[name]


def _only_from_here() -> tuple[Response, int] | None:
    """A page on the internet must not play with the town through somebody's browser, whatever name it gives this machine."""
    host = request.host.rsplit(":", 1)[0].strip("[]")
    return None if is_loopback(host) else (jsonify(error="the town is on this machine only"), 403)


def _cannot(error: CannotDo) -> tuple[Response, int]:
    return jsonify(error=str(error)), 404 if error.missing else 409


def _bad(error: BadRequest) -> tuple[Response, int]:
    return jsonify(error=str(error)), 400
