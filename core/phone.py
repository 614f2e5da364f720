"""A phone number has one form: E.164 with a plus (captive-portal.md §8)."""

from __future__ import annotations

import hashlib
import re
import unicodedata

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from core.errors import Refusal

INPUT_LENGTH_MAX = 40
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
_HASH = re.compile(r"[0-9a-fA-F]{64}")


class BadPhone(Refusal):
    """This is not a mobile number we can use."""


class Msisdn(str):
    """A mobile number in E.164, `+254712345678`. Made by `Msisdn.parse` or read back from our own tables."""

    __slots__ = ()

    def __new__(cls, text: str) -> Msisdn:
        return super().__new__(
            cls, text
        )  # of anything else `str` would make a text, of a number that is missing "None"

    @classmethod
    def parse(cls, text: str, country: str, *, foreign: bool = False) -> Msisdn:
        """Understand what a person or a gateway wrote.

        `country` is the tenant's ISO code; digits without a plus are read in it. Masked numbers (`2547 ***** 126`) and
        hashes are not numbers. `foreign=True` also admits other countries' mobiles. Raises `BadPhone`.
        """
        raw = unicodedata.normalize("NFKC", text).strip().removeprefix("tel:") if len(text) <= INPUT_LENGTH_MAX else ""
        if not raw or is_masked(raw) or _HASH.fullmatch(raw) or re.search(r"[^\d\s()+.\-]", raw):
            raise BadPhone()
        code = str(phonenumbers.country_code_for_region(country))
        digits = re.sub(r"\D", "", raw)
        candidates = [raw]
        if raw.startswith("00"):
            candidates = ["+" + digits[2:]]
        elif not raw.startswith("+"):
            candidates = [raw, *(["+" + digits] if digits.startswith(code) or foreign else [])]
        for candidate in candidates:
            number = _valid(candidate, country)
            if number is not None and (foreign or str(number.country_code) == code):
                return cls(phonenumbers.format_number(number, PhoneNumberFormat.E164))
        raise BadPhone()

    @property
    def digits(self) -> str:
        """Without the plus: what Daraja wants, and over what M-Pesa computes its hashes."""
        return self[1:]

    @property
    def masked(self) -> str:
        """For logs and chats: `+2547•••••678`."""
        return f"{self[:5]}{'•' * max(len(self) - 8, 0)}{self[-3:]}"

    @property
    def national(self) -> str:
        """As people write it at home: `0712 345678`."""
        return phonenumbers.format_number(phonenumbers.parse(self), PhoneNumberFormat.NATIONAL)

    @property
    def sha256(self) -> str:
        """The form in which M-Pesa hides a payer (payments.md §1.4)."""
        return hashlib.sha256(self.digits.encode()).hexdigest()

    def fits_mask(self, masked: str) -> bool:
        """Could this number stand behind `2547 ***** 126`? The visible head and tail must agree."""
        shown = re.sub(r"[^\d*•xX]", "", masked)
        head, tail = re.match(r"\d*", shown), re.search(r"\d*$", shown)
        assert head and tail
        return self.digits.startswith(head[0]) and self.digits.endswith(tail[0]) and len(head[0] + tail[0]) >= 5


def is_masked(text: str) -> bool:
    """Is this a number with its middle hidden?"""
    return "*" in text or "•" in text


def _valid(text: str, country: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        return None
    return number
