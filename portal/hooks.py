"""Payment callbacks: check who is speaking, write it down, say thank you. Understanding is a job's business."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, abort, jsonify, request

from core import codes, inbox, tenants
from core.app import App
from core.tasks import Digest

log = structlog.get_logger()
COMPANIES = ("daraja",)
ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}
KNOCK_LENGTH_MAX = 64


def blueprint(app: App) -> Blueprint:
    """`POST /hooks/<company>/<secret>`: 200 once stored (again and again for copies); 404 for anybody else."""
    hooks = Blueprint("hooks", __name__, url_prefix="/hooks")

    @hooks.post("/<company>/<secret>")
    def callback(company: str, secret: str) -> Response:
        tenant_id = _who(app, company, secret)
        body = request.get_data(cache=False)
        if not body.strip():
            abort(400, "an empty callback says nothing")
        peer = request.remote_addr or ""
        with app.work(tenant_id) as uow:
            stored = inbox.receive(
                uow, company, inbox.fingerprint(body), body, peer=peer, context=_payment_code(request.args.get("p", ""))
            )
            if stored is not None:
                uow.later(Digest(stored))
            settings = tenants.settings_of(uow).daraja
        if settings is not None and settings.allowed_addresses and peer not in settings.allowed_addresses:
            log.warning("callback.unusual_address", tenant=tenant_id, company=company, peer=peer)
        log.info("callback.stored" if stored else "callback.copy", tenant=tenant_id, company=company, inbound=stored)
        return jsonify(ACCEPTED)

    @hooks.post("/<company>/<secret>/validate")
    def validate(company: str, secret: str) -> Response:
        """C2B validation: we take every payment, because money that names nobody can be claimed (payments.md §1.4)."""
        _who(app, company, secret)
        return jsonify(ACCEPTED)

    return hooks


def _who(app: App, company: str, secret: str) -> int:
    """The tenant whose address this is; 404 otherwise, as fast for a near miss as for nonsense."""
    with app.look(None) as uow:
        tenant_id = tenants.find_by_door(uow, "hooks", secret[: KNOCK_LENGTH_MAX + 1])
    if tenant_id is None or company not in COMPANIES:
        log.warning(
            "callback.unknown_address", company=company[:20] if company.isalnum() else "?", peer=request.remote_addr
        )
        abort(404)
    return tenant_id


def _payment_code(text: str) -> str:
    """Our own reference from our own address, if it is one."""
    code = codes.normalise(text)
    return code if codes.is_sound(code) else ""
