"""Proving a password: the examples of the RFCs, and answers that prove nothing."""

from __future__ import annotations

import hashlib

import pytest

from radius.passwords import (
    MsChap2,
    chap_answer,
    ms_chap2_answer,
    ms_chap2_success,
    nt_hash,
    read_chap,
    read_ms_chap2,
    reveal_password,
)

# RFC 2759 §9.2
USER, PASSWORD = b"User", "clientPass"
AUTHENTICATOR_CHALLENGE = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER_CHALLENGE = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
NT_RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
LOGIN = MsChap2(7, AUTHENTICATOR_CHALLENGE, PEER_CHALLENGE, NT_RESPONSE)


def test_ms_chap_gives_what_the_rfc_prints() -> None:
    assert nt_hash(PASSWORD) == bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
    assert ms_chap2_answer(LOGIN, USER, PASSWORD) == NT_RESPONSE
    assert ms_chap2_success(LOGIN, USER, PASSWORD) == b"\x07S=407A5589115FD0D6209F510FE9C04566932CDA56"


def test_a_domain_before_the_name_is_no_part_of_what_is_proved() -> None:
    assert ms_chap2_answer(LOGIN, b"DOMAIN\\User", PASSWORD) == NT_RESPONSE


def test_ms_chap_proves_name_password_and_both_challenges() -> None:
    assert ms_chap2_answer(LOGIN, b"user", PASSWORD) != NT_RESPONSE
    assert ms_chap2_answer(LOGIN, USER, "clientpass") != NT_RESPONSE
    assert ms_chap2_answer(LOGIN._replace(challenge=bytes(16)), USER, PASSWORD) != NT_RESPONSE
    assert ms_chap2_answer(LOGIN._replace(peer_challenge=bytes(16)), USER, PASSWORD) != NT_RESPONSE


def test_an_attribute_is_taken_apart_as_rfc_2548_lays_it_out() -> None:
    value = b"\x07\x00" + PEER_CHALLENGE + bytes(8) + NT_RESPONSE
    assert read_ms_chap2(value, AUTHENTICATOR_CHALLENGE) == LOGIN


@pytest.mark.parametrize(
    ("value", "challenge"),
    [
        (b"\x07" * 49, bytes(16)),
        (b"\x07" * 51, bytes(16)),
        (b"\x07", bytes(16)),
        (b"\x07" * 50, b""),
        (b"\x07" * 50, bytes(8)),
    ],
)
def test_an_attribute_of_another_length_proves_nothing(value: bytes, challenge: bytes) -> None:
    login = read_ms_chap2(value, challenge)
    assert login.answer == b""
    assert ms_chap2_answer(login, USER, PASSWORD) != login.answer


def test_chap_is_the_digest_of_number_password_and_challenge() -> None:
    answer = hashlib.md5(b"\x07secretchallenge").digest()
    assert chap_answer(7, b"secret", b"challenge") == answer
    assert read_chap(b"\x07" + answer, b"challenge") == (7, answer, b"challenge")
    assert read_chap(b"\x07" + answer + b"x", b"challenge").answer == b""
    assert read_chap(b"\x07", b"challenge").answer == b""


def test_a_hidden_password_is_read_as_rfc_2865_shows_it() -> None:
    """RFC 2865 §7.1: the user nemo with the password arctangent."""
    authenticator = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")
    hidden = bytes.fromhex("0dbe708d93d413ce3196e43f782a0aee")
    assert reveal_password(hidden, b"xyzzy5461", authenticator) == b"arctangent"
