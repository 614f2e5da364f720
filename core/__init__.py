"""What Duka knows and does: capabilities with verbs, one transaction per visit, no network."""

import sys

# structlog loads Rich, where it finds it, to draw tracebacks in colour: 14 MB in each of our processes, for a picture that
# JSON lines never show. It does not look for it again later.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401 (imported here so that it does not find Rich)

    del sys.modules["rich"]
