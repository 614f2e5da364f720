"""Is the till alive? For a load balancer and for the owner's own eyes."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from core import outbox
from core.app import App

OLDEST_PROMISE_SECONDS_MAX = 120


def blueprint(app: App) -> Blueprint:
    """`GET /healthz`: 200 while the database answers and promises are being carried; 503 says what is wrong."""
    pages = Blueprint("health", __name__)

    @pages.get("/healthz")
    def healthz() -> tuple[Response, int]:
        try:
            with app.look(None) as uow:
                due, oldest_seconds, parked = outbox.backlog(uow.session, uow.now)
        except SQLAlchemyError:
            return jsonify(ok=False, trouble="the database does not answer"), 503
        late = oldest_seconds is not None and oldest_seconds > OLDEST_PROMISE_SECONDS_MAX
        facts = {"due": due, "oldest_seconds": oldest_seconds, "parked": parked}
        if late:
            return jsonify(ok=False, trouble="promises are not being carried: are relay and workers up?", **facts), 503
        return jsonify(ok=True, **facts), 200

    return pages
