"""Words for people: language → key → text, with fallback, and what fits where (captive-portal.md §6, §7)."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from string import Formatter

FALLBACK = "en"
USSD_SEPTETS_MAX = 160
SMS_SEPTETS_MAX, SMS_PART_SEPTETS_MAX = 160, 153
SMS_UNICODE_MAX, SMS_PART_UNICODE_MAX = 70, 67

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("^{}[]~\\|€\f")
_ALL_BASIC = re.compile(f"[{re.escape(''.join(sorted(GSM7_BASIC)))}]*")
_TYPOGRAPHY = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "…": "...",
        "\u00a0": " ",
        "\u202f": " ",
        "•": "*",
        "\t": " ",
    }
)


def septets(text: str) -> int | None:
    """Length in GSM 03.38 septets (extended characters count two); None when the alphabet lacks a character."""
    if _ALL_BASIC.fullmatch(text):
        return len(text)
    length = 0
    for char in text:
        if char in GSM7_BASIC:
            length += 1
        elif char in GSM7_EXTENDED:
            length += 2
        else:
            return None
    return length


def parts(text: str) -> int:
    """How many SMS a text costs: 160/153 septets, or 70/67 UTF-16 units once a character is outside GSM-7."""
    length = septets(text)
    if length is not None:
        return 1 if length <= SMS_SEPTETS_MAX else -(-length // SMS_PART_SEPTETS_MAX)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= SMS_UNICODE_MAX else -(-units // SMS_PART_UNICODE_MAX)


def plain(text: str) -> str:
    """The same words in GSM-7: typographic signs and foreign accents are replaced, control characters dropped."""
    if _ALL_BASIC.fullmatch(text):
        return text
    text = text.translate(_TYPOGRAPHY)
    out: list[str] = []
    for char in text:
        if char in GSM7_BASIC or char in GSM7_EXTENDED:
            out.append(char)
            continue
        bare = "".join(c for c in unicodedata.normalize("NFKD", char) if c in GSM7_BASIC)
        out.append(bare or ("" if unicodedata.category(char)[0] in "CM" else "?"))
    return "".join(out)


def clip(text: str, septets_max: int) -> str:
    """Cut to what fits, on a whole character."""
    while (septets(text) or 0) > septets_max:
        text = text[:-1]
    return text


def one_line(text: str, length_max: int = 60) -> str:
    """Something from outside, safe to show or log: no control or direction characters, bounded."""
    if (
        text.isascii() and text.isprintable() and " " not in text
    ):  # nearly everything is tidy; RADIUS asks six times a packet
        return text[:length_max]
    kept = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    return re.sub(r" +", " ", kept).strip()[:length_max]


class Catalogue:
    """The texts of one folder: `en.toml`, `sw.toml`, …; every key is a template for `str.format`."""

    def __init__(self, folder: Path) -> None:
        self._texts = {
            path.stem: _flat(tomllib.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.toml"))
        }
        if FALLBACK not in self._texts:
            raise FileNotFoundError(f"{folder} has no {FALLBACK}.toml")

    @property
    def languages(self) -> list[str]:
        return [FALLBACK, *sorted(set(self._texts) - {FALLBACK})]

    def keys(self, language: str = FALLBACK) -> set[str]:
        return set(self._texts[language])

    def template(self, language: str, key: str) -> str:
        return self._texts.get(language, {}).get(key) or self._texts[FALLBACK][key]

    def fields(self, language: str, key: str) -> set[str]:
        """The names a template wants."""
        return {name for _, name, _, _ in Formatter().parse(self.template(language, key)) if name}

    def say(self, language: str, key: str, /, **facts: object) -> str:
        """The text in this language (or the fallback), filled in. Raises KeyError for an unknown key or a missing fact."""
        return self.template(language, key).format_map({name: str(value) for name, value in facts.items()})


def _flat(tree: dict[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value)
    return flat


@cache
def catalogue(folder: Path) -> Catalogue:
    """The catalogue of a folder, read once per process."""
    return Catalogue(folder)


def duration(seconds: int) -> str:
    """`2d 3h`, `3h 20m`, `45m`: the two largest parts; anything under a minute is `1m`. The letters are the same in all languages."""
    minutes = max(seconds // 60, 1)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    words = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if n]
    return " ".join(words[:2])


def volume(count: int) -> str:
    """Bytes for people, decimal as sold: `500MB`, `1.5GB`."""
    count = max(count, 0)
    if count >= 10**9:
        tenths = count // 10**8
        return f"{tenths // 10}.{tenths % 10}GB" if tenths % 10 else f"{tenths // 10}GB"
    return f"{count // 10**6}MB"
