"""`python -m ussd`: the door for phones under its production server."""

from __future__ import annotations

import sys

from core.serving.door import run

if __name__ == "__main__":
    sys.exit(run("ussd", lambda settings: settings.ussd))
