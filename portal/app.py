"""Flask factory of the portal process."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, request

from core import logs
from core.app import App, open_app
from portal import capport, grace, health, hooks, hotspot, install, pages

BODY_BYTES_MAX = 64 * 1024
log = structlog.get_logger()


class Portal(Flask):
    """A web application whose log names what was asked for, never the address: that may hold a secret."""

    def log_exception(self, exc_info: Any) -> None:
        log.error("request.failed", endpoint=request.endpoint, exc_info=exc_info)


def create_app(app: App) -> Flask:
    """The portal over an open `App`. Bodies over 64 KiB are answered with 413 before anything reads them."""
    web = Portal(__name__, static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    web.register_blueprint(hooks.blueprint(app))
    web.register_blueprint(health.blueprint(app))
    web.register_blueprint(pages.blueprint(app))
    web.register_blueprint(grace.blueprint(app))
    web.register_blueprint(hotspot.blueprint(app))
    web.register_blueprint(capport.blueprint(app))
    web.register_blueprint(install.blueprint(app))
    return web


def make() -> Flask:
    """The application of one server process, with logging set up and an `App` of its own."""
    logs.set_up("portal")
    return create_app(open_app())
