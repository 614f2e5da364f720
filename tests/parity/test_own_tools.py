"""The suite's own half of RADIUS, against the examples of the standards."""

from __future__ import annotations

from tests.parity import mschap, wire

# RFC 2759 §9.2
USER, PASSWORD = "User", "clientPass"
AUTHENTICATOR = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER = bytes.fromhex("21402324255E262A28295F2B3A337C7E")


def test_md4_as_in_its_standard() -> None:
    assert mschap.md4(b"").hex() == "31d6cfe0d16ae931b73c59d7e0c089c0"
    assert mschap.md4(b"message digest").hex() == "d9130a8164549fe818874806e1c7014b"


def test_mschap_v2_as_in_its_standard() -> None:
    assert mschap.challenge_hash(PEER, AUTHENTICATOR, USER).hex().upper() == "D02E4386BCE91226"
    assert mschap.nt_hash(PASSWORD).hex().upper() == "44EBBA8D5312B8D611474411F56989AE"
    expected = "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"
    assert mschap.nt_response(AUTHENTICATOR, PEER, USER, PASSWORD).hex().upper() == expected
    assert mschap.success(AUTHENTICATOR, PEER, USER, PASSWORD) == "S=407A5589115FD0D6209F510FE9C04566932CDA56"


def test_pap_and_the_answer_as_in_their_standard() -> None:
    # RFC 2865 §7.1
    authenticator = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")
    attributes = [
        ("User-Name", "nemo"),
        ("User-Password", "arctangent"),
        ("NAS-IP-Address", "192.168.1.16"),
        ("NAS-Port", 3),
    ]
    raw = wire.request(1, attributes, b"xyzzy5461", signed=False, authenticator=authenticator)
    assert raw.hex() == (
        "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003"
    )
    answer = bytes.fromhex("0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103")
    assert wire.understand(answer, raw, b"xyzzy5461").code == "Access-Accept"
