"""Words for people: complete in every language, in the phones' alphabet, and short enough with the longest values."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.login_page import WORDS
from core.messaging import MESSAGES
from core.texts import SMS_PART_SEPTETS_MAX, USSD_SEPTETS_MAX, Catalogue, catalogue, parts, septets
from portal.pages import TEXTS as PAGES
from ussd.words import TEXTS

ROOT = Path(__file__).parents[2]
LONGEST = {
    "account": "WWWWWW",
    "amount": "KES 250,000.50",
    "balance": "KES 9,999,999.50",
    "code": "ABCDEFGHJKLM",
    "contents": "365d 23h, 999.9GB, 6 devices",
    "count": "6",
    "data": "999.9GB",
    "device": "A1B2",
    "devices": "A1B2 (Market square 1), C3D4 (Market square 1), E5F6 (Market square 1)",
    "dial": "*384*35711*99#",
    "head": "W" * 24 + ", KES 250,000: 365d 23h, 999.9GB, 6 devices",
    "help_line": "+254 700 000 000",
    "key": "98",
    "limit": "6",
    "line": "Msaada: +254 700 000 000.",
    "minutes": "10",
    "name": "W" * 24,
    "new": "C3D4",
    "number": "+254 700 000 000",
    "old": "A1B2",
    "package": "W" * 24,
    "paybill": "6001234",
    "price": "KES 250,000.50",
    "receipt": "SJK7H2XYZ1",
    "router": "W" * 16,
    "shop": "W" * 32,
    "short": "A1B2",
    "signs": "A1B2",
    "status": "Umebaki na 365d 23h na 999.9GB, hadi 31.12. 23:59",
    "time": "365d 23h",
    "until": "31.12. 23:59",
    "wanted": "W" * 24,
    "words": "NUNUA WWWWWWWWWWWW",
    "ending": "XYZ",
}
"""The longest value of every field that customers will meet."""
CATALOGUES = {"ussd": TEXTS, "messages": MESSAGES, "login page": WORDS, "portal": PAGES}
EVERY = [
    pytest.param(name, language, key, id=f"{name}-{language}-{key}")
    for name, texts in CATALOGUES.items()
    for language in texts.languages
    for key in sorted(texts.keys(language))
]


def test_every_folder_of_texts_is_checked_here() -> None:
    found = {path.parent for path in ROOT.glob("*/**/texts/en.toml") if ".venv" not in path.parts}
    texts = {ROOT / "ussd" / "texts", ROOT / "core" / "messaging" / "texts", ROOT / "portal" / "texts"}
    known = texts | {ROOT / "core" / "data" / "login_page" / "texts"}
    elsewhere = {folder for folder in found if folder.relative_to(ROOT).parts[0] not in ("ussd", "core", "portal")}
    assert found - elsewhere == known


@pytest.mark.parametrize("texts", CATALOGUES.values(), ids=CATALOGUES)
def test_every_language_has_the_same_keys(texts: Catalogue) -> None:
    assert len(texts.languages) > 1
    for language in texts.languages:
        assert texts.keys(language) == texts.keys(), language


@pytest.mark.parametrize(("name", "language", "key"), EVERY)
def test_every_text_wants_the_same_facts_in_every_language(name: str, language: str, key: str) -> None:
    texts = CATALOGUES[name]
    assert texts.fields(language, key) == texts.fields("en", key)


@pytest.mark.parametrize(("name", "language", "key"), EVERY)
def test_every_text_fits_with_the_longest_values(name: str, language: str, key: str) -> None:
    texts = CATALOGUES[name]
    said = texts.say(language, key, **{field: LONGEST[field] for field in texts.fields(language, key)})
    length = septets(said)
    assert length is not None, f"not in the phones' alphabet: {[sign for sign in said if septets(sign) is None]}"
    if name == "ussd" and not key.startswith("sms."):
        assert length <= USSD_SEPTETS_MAX, f"{length} septets: {said}"
    else:
        assert parts(said) <= 2, f"{length} septets, 2 parts hold {2 * SMS_PART_SEPTETS_MAX}: {said}"


@pytest.mark.parametrize(("name", "language", "key"), EVERY)
def test_no_text_has_untidy_spaces(name: str, language: str, key: str) -> None:
    template = CATALOGUES[name].template(language, key)
    assert template == template.strip()
    assert "  " not in template


def test_a_text_that_is_missing_or_too_long_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('[a]\none = "{x} fits"\ntwo = "here"\n', encoding="utf-8")
    (tmp_path / "sw.toml").write_text('[a]\none = "no fact"\n', encoding="utf-8")
    texts = catalogue(tmp_path)
    assert texts.keys("sw") != texts.keys()
    assert texts.fields("sw", "a.one") != texts.fields("en", "a.one")
