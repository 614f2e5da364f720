"""What fits through a phone network: the GSM 7-bit alphabet, its weights, and how many parts an SMS has."""

from __future__ import annotations

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")

GSM_ALONE, GSM_PART = 160, 153
UCS2_ALONE, UCS2_PART = 70, 67


def septets(text: str) -> int | None:
    """The length in 7-bit units, or None when a character is not in the alphabet."""
    if not all(letter in BASIC or letter in EXTENDED for letter in text):
        return None
    return sum(_septets_of(letter) for letter in text)


def parts(text: str) -> int:
    """How many SMS parts the text is paid for; never less than one."""
    if septets(text) is not None:
        return _count([_septets_of(letter) for letter in text], GSM_ALONE, GSM_PART)
    return _count([len(letter.encode("utf-16-be", errors="replace")) // 2 for letter in text], UCS2_ALONE, UCS2_PART)


def _septets_of(letter: str) -> int:
    return 2 if letter in EXTENDED else 1


def _count(weights: list[int], alone: int, part: int) -> int:
    """Parts needed when no letter may be torn in two."""
    if sum(weights) <= alone:
        return 1
    count, used = 1, 0
    for weight in weights:
        if used + weight > part:
            count, used = count + 1, 0
        used += weight
    return count
