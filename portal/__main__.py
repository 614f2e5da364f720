"""`python -m portal`: the payment companies' door under its production server."""

from __future__ import annotations

import sys

from core.serving.door import run

if __name__ == "__main__":
    sys.exit(run("portal", lambda settings: settings.portal))
