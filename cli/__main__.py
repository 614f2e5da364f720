"""`duka`: everything a person runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import structlog
import typer
from typer.core import TyperGroup

from cli import console
from cli.commands import (
    customer,
    demo,
    doctor,
    init,
    install,
    key,
    migrate,
    package,
    promise,
    router,
    settings,
    strays,
    tunnel,
    up,
    voucher,
    why,
)
from cli.failures import KNOWN, explain
from cli.places import ROOT


class OneLineErrors(TyperGroup):
    """Says what is wrong in one line and ends with status 1; anything unknown is a bug and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KNOWN as error:
            console.complain(explain(error))
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Sell internet over MikroTik routers by USSD, SMS and mobile money.",
)
app.command("init")(init.init)
app.command("migrate")(migrate.migrate)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("why")(why.why)
router.app.command("install")(install.install)
router.app.command("strays")(strays.strays)
app.add_typer(router.app, name="router")
app.add_typer(tunnel.app, name="tunnel")
app.add_typer(key.app, name="key")
app.add_typer(package.app, name="package")
app.add_typer(customer.app, name="customer")
app.add_typer(voucher.app, name="voucher")
app.add_typer(settings.app, name="settings")
app.add_typer(promise.app, name="promise")


def main() -> None:
    """The program. Works from any folder: without a configuration here, it goes to where it is installed."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr), wrapper_class=structlog.make_filtering_bound_logger(50)
    )
    if "DUKA_CONFIG" not in os.environ and not Path("config.toml").exists() and (ROOT / "config.toml").exists():
        os.chdir(ROOT)
    app()


if __name__ == "__main__":
    main()
