"""`python -m core.migrations "what changes"`: write the next revision from the difference between tables and models.

It compares with a throw-away SQLite file that has been brought to the newest revision, so it needs no database.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from core.db import make_engine
from core.migrations import FOLDER, configuration, upgrade


def main(arguments: list[str] | None = None) -> int:
    """Write a revision; 0 when there was something to write."""
    parser = argparse.ArgumentParser(prog="python -m core.migrations", description=__doc__)
    parser.add_argument("message", help="what changes, in a few words")
    message: str = parser.parse_args(arguments).message
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9 ,_-]{2,79}", message):
        print("the message is a few plain words, for example: packages may end at midnight", file=sys.stderr)
        return 2
    config = configuration()
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    with tempfile.TemporaryDirectory(prefix="duka-revision-") as folder:
        engine = make_engine(f"sqlite:///{Path(folder) / 'compared.db'}")
        if number > 1:
            upgrade(engine)
        with engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            made = command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()
    written = made[0] if isinstance(made, list) else made
    if written is None:
        return 1
    _tidy(Path(written.path))
    print(f"read, correct and test it: {Path(written.path).relative_to(FOLDER.parent.parent)}")
    return 0


def _tidy(path: Path) -> None:
    """Without the generator's own remarks."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "# ### " not in line), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
