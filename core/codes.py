"""Codes that people type: no I, L, O, U, and a check character that catches one wrong or two swapped signs.

Alphabet after Crockford's base 32; the check character is Luhn mod N over it (captive-portal.md §6, payments.md §1.4).
"""

from __future__ import annotations

import re
import secrets
import unicodedata

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LOOKALIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})
_VALUE = {char: index for index, char in enumerate(ALPHABET)}


def normalise(text: str) -> str:
    """What somebody typed, as we write it: upper case, no spaces or dashes, O→0, I and L→1. At most 40 characters are read."""
    bare = re.sub(r"[\s\-_.]", "", unicodedata.normalize("NFKC", text[:40])).upper()
    return bare.translate(LOOKALIKE)


def check_character(body: str) -> str:
    """Luhn mod 32 of `body`, which must be in the alphabet."""
    size, total = len(ALPHABET), 0
    for position, char in enumerate(reversed(body)):
        value = _VALUE[char] * (2 if position % 2 == 0 else 1)
        total += value // size + value % size
    return ALPHABET[-total % size]


def make(length: int, prefix: str = "") -> str:
    """A random code of `length` characters after `prefix`, the last of them its check character."""
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(length - 1))
    return body + check_character(body)


def is_sound(code: str) -> bool:
    """Is this (normalised) code free of typing mistakes?"""
    return len(code) > 1 and all(char in _VALUE for char in code) and check_character(code[:-1]) == code[-1]
