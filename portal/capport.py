"""`GET /capport/<site>`: what a phone asks that knows RFC 8908, at the address DHCP option 114 announced (decision 20).

Phones come from behind their router's address and a TLS proxy, so none can be told from another here. That somebody is
held back is certain only while nobody at that place is on; else nothing is said, and the phone looks for itself.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, json, request

from core import network
from core.app import App

TYPE = "application/captive+json"


def blueprint(app: App) -> Blueprint:
    """200 with JSON, or 404 where nothing certain can be said. `r` is the key of the phone's router, public as everything here."""
    pages = Blueprint("capport", __name__)

    @pages.get("/capport/<site>")
    def captive(site: str) -> Response:
        key = request.args.get("r", "")
        with app.look(None) as uow:
            place = network.place_called(uow, site, router_key=key)
        if place is None:
            abort(404)
        with app.look(place.tenant_id) as uow:
            certain = network.nobody_is_on(uow, site, router_key=key)
        answer = _captive(f"{app.installation.portal_url}/p/{site}") if certain else Response(status=404)
        answer.headers["Cache-Control"] = "private, no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    return pages


def _captive(page: str) -> Response:
    said = {"captive": True, "user-portal-url": page, "venue-info-url": page, "can-extend-session": True}
    return Response(json.dumps(said), content_type=TYPE)
