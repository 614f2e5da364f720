"""`duka migrate`: bring the tables to this version."""

from __future__ import annotations

from cli import console
from cli.shop import opened
from core import migrations


def migrate() -> None:
    """Bring the database's tables to this version. Harmless to repeat; all or nothing."""
    with opened(migrated=False) as app:
        before = migrations.current(app.engine)
        with console.out.status("migrating …"):
            migrations.upgrade(app.engine)
        after = migrations.current(app.engine)
    console.good(f"the tables are at revision {after}" + (" already" if before == after else f" (from {before})"))
