"""What FreeRADIUS says to somebody who is not let in: the texts of `radius/texts/`, as a file of the `files` module.

`python -m radius.freeradius_texts` prints deploy/freeradius/mods-config/texts. A test sees to it that the file is as printed:
the texts have one source.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from radius.policy import Reason
from radius.texts import say, texts

CODE = "1234567890"
"""Stands for what customers dial while the texts are made."""
_CODE_IN_FREERADIUS = "%{control:Duka-Service-Code}"
_HEAD = """\
# Made from radius/texts/ by `python -m radius.freeradius_texts`; change it there.
#
# language.reason.dial where the ISP has a code to dial, language.reason.plain where it has none
"""


def entries() -> Iterator[tuple[str, str]]:
    """(key, text) for every language, reason and way to buy, in one order."""
    for language in sorted(texts().languages):
        for reason in Reason:
            for way, code in (("dial", CODE), ("plain", "")):
                yield f"{language}.{reason.value}.{way}", say(reason, language, code)


def written() -> str:
    """The whole file."""
    return _HEAD + "".join(f'\n{key}\n\tReply-Message := "{_quoted(text)}"\n' for key, text in entries())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped.replace(CODE, _CODE_IN_FREERADIUS)


if __name__ == "__main__":
    sys.stdout.write(written())
