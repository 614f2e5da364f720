"""Every way to get in, and every reason to be kept out (reference routeros.md §3.2, §3.3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sim.routeros import VirtualRouter
from tests.adapters.test_virtual_router_kit import (
    LAPTOP,
    MAC_PASSWORD,
    PHONE,
    ByteClient,
    StrictRadius,
    eventually,
    selling_router,
)

ACTIVE, HOST = "/ip/hotspot/active", "/ip/hotspot/host"


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        yield radius


@pytest.fixture
def router(radius: StrictRadius) -> Iterator[VirtualRouter]:
    with selling_router(radius) as router:
        yield router


@pytest.fixture
def client(router: VirtualRouter) -> Iterator[ByteClient]:
    with ByteClient(router.api_port) as client:
        yield client


def test_a_program_logs_a_waiting_device_in(router: VirtualRouter, radius: StrictRadius, client: ByteClient) -> None:
    phone = router.plug_in(PHONE)
    radius.sell(
        PHONE,
        Session_Timeout=3600,
        Idle_Timeout=600,
        Mikrotik_Rate_Limit="5M/10M 8M/16M 4M/8M 16/16 7",
        Mikrotik_Total_Limit=1410065408,
        Mikrotik_Total_Limit_Gigawords=2,
        Mikrotik_Address_List=["paid", "fast"],
    )
    login = (
        f"{ACTIVE}/login",
        f"=user={PHONE}",
        f"=password={MAC_PASSWORD}",
        f"=ip={phone.ip}",
        f"=mac-address={PHONE}",
    )
    assert client.ask(*login) == [["!done"]]
    (row,) = client.rows(f"{ACTIVE}/print")
    expected = {
        "user": PHONE,
        "address": phone.ip,
        "mac-address": PHONE,
        "login-by": "http-pap",
        "uptime": "0s",
        "session-time-left": "1h",
        "idle-timeout": "10m",
        "limit-bytes-total": "10000000000",
        "radius": "true",
        "server": "hotspot1",
    }
    assert {name: row[name] for name in expected} == expected
    (queue,) = client.rows("/queue/simple/print")
    assert queue["target"] == f"{phone.ip}/32"
    assert queue["dynamic"] == "true"
    assert queue["max-limit"] == "5000000/10000000"
    assert queue["burst-limit"] == "8000000/16000000"
    assert (queue["burst-time"], queue["priority"]) == ("16s/16s", "7/7")
    lists = client.rows("/ip/firewall/address-list/print")
    assert [(row["list"], row["address"], row["dynamic"]) for row in lists] == [
        ("paid", phone.ip, "true"),
        ("fast", phone.ip, "true"),
    ]
    client.ask(f"{ACTIVE}/remove", f"=.id={row['.id']}")
    for menu in (ACTIVE, "/queue/simple", "/ip/firewall/address-list"):
        assert router.rows(menu) == []


def test_every_refusal_of_a_programs_login_has_its_own_text(
    router: VirtualRouter, radius: StrictRadius, client: ByteClient
) -> None:
    phone = router.plug_in(PHONE)

    def refusal(**given: str) -> str:
        words = (f"={name.replace('_', '-')}={value}" for name, value in given.items())
        return client.trap(f"{ACTIVE}/login", *words)["message"]

    assert refusal(user="x", ip="10.20.0.251") == "unknown host IP 10.20.0.251"
    assert refusal(user="x") == "unknown host IP 0.0.0.0"
    assert refusal(user="x", ip=phone.ip, mac_address=LAPTOP) == "wrong MAC provided"
    assert refusal(user="x", ip=phone.ip, mac_address="") == "invalid value of mac-address, mac address required"
    assert refusal(user="x", ip=phone.ip, mac_address="12:34") == "invalid value of mac-address, mac address required"
    assert refusal(user="x", ip=phone.ip, domain="") == "invalid value for argument domain"
    assert refusal(ip=phone.ip) == "missing value(s) of argument(s) user"
    assert refusal(user="x", password="y", ip=phone.ip) == "Please buy a package"
    radius.refusal = ""
    assert refusal(user="x", password="y", ip=phone.ip) == "invalid username or password"
    radius.sell(PHONE)
    assert client.ask(f"{ACTIVE}/login", f"=user={PHONE}", f"=password={MAC_PASSWORD}", f"=ip={phone.ip}") == [
        ["!done"]
    ]
    assert refusal(user=PHONE, password=MAC_PASSWORD, ip=phone.ip) == "failure: already logged in"


def test_silence_from_radius_is_told_as_such_and_counted(radius: StrictRadius) -> None:
    radius.answers_questions = False
    with selling_router(radius, radius_timeout_seconds=0.05) as router, ByteClient(router.api_port) as client:
        phone = router.plug_in(PHONE)
        assert phone.error == "RADIUS server is not responding"
        assert len(radius.questions) == 3
        assert len({question["Acct-Session-Id"][0] for question in radius.questions}) == 1
        number = router.rows("/radius")[0][".id"]
        (counters,) = client.rows("/radius/monitor", f"=numbers={number}", "=once=")
        expected = {
            "pending": "0",
            "requests": "1",
            "resends": "2",
            "timeouts": "1",
            "accepts": "0",
            "bad-replies": "0",
        }
        assert {name: counters[name] for name in expected} == expected


def test_while_one_login_is_under_way_another_is_refused(radius: StrictRadius) -> None:
    radius.answers_questions = False
    with selling_router(radius, radius_timeout_seconds=0.3) as router, ByteClient(router.api_port) as client:
        router.run("/ip/hotspot/profile/set", numbers="hotspot1", login_by="http-pap")
        phone = router.plug_in(PHONE)
        login = (f"{ACTIVE}/login", "=user=x", "=password=y", f"=ip={phone.ip}")
        client.say(*login, ".tag=first")
        eventually(lambda: radius.questions, "the first login was asked about")
        assert client.trap(*login)["message"] == "already authorizing, retry later"
        assert client.hear()[:2] == ["!trap", ".tag=first"]


def test_a_user_name_may_be_used_as_often_as_port_limit_says(router: VirtualRouter, radius: StrictRadius) -> None:
    phones = [router.plug_in(f"AA:BB:CC:00:01:0{n}") for n in range(3)]
    radius.sell("voucher", Port_Limit=2)
    results = [phone.browse_login("voucher", MAC_PASSWORD) for phone in phones]
    assert [result.ok for result in results] == [True, True, False]
    assert results[2].error == "no more sessions are allowed for user voucher"
    radius.sell("single")
    laptop = router.plug_in(LAPTOP)
    assert laptop.browse_login("single", MAC_PASSWORD).ok
    assert not phones[2].browse_login("single", MAC_PASSWORD).ok


def test_a_local_user_wins_over_radius(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", login_by="http-pap")
    router.run("/ip/hotspot/user/add", name="staff", password="tea", limit_uptime="1h", limit_bytes_total="1000")
    phone = router.plug_in(PHONE)
    radius.sell("staff")
    assert phone.browse_login("staff", MAC_PASSWORD).error == "invalid username or password"
    assert phone.browse_login("staff", "tea").ok
    assert radius.questions == []
    assert router.rows(ACTIVE)[0]["radius"] == "false"
    router.advance(1800)
    phone.log_out()
    assert phone.browse_login("staff", "tea").ok
    assert router.rows(ACTIVE)[0]["session-time-left"] == "30m"
    phone.move_traffic(600, 600)
    assert phone.browse_login("staff", "tea").error == "user has reached traffic limit"
    assert radius.reports == []


def test_the_form_in_clear_needs_http_pap(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", login_by="http-chap")
    phone = router.plug_in(PHONE)
    radius.sell("voucher")
    assert "did not send challenge response" in phone.browse_login("voucher", MAC_PASSWORD).error
    assert radius.questions == []


def test_a_browser_cannot_type_somebody_elses_mac(router: VirtualRouter, radius: StrictRadius) -> None:
    phone = router.plug_in(PHONE)
    radius.sell(LAPTOP)
    result = phone.browse_login("aabbcc000002", MAC_PASSWORD)
    assert result.error == "invalid username (aabbcc000002): this MAC address is not yours"
    assert len(radius.questions) == 1


def test_a_browser_can_add_attributes_to_the_question(router: VirtualRouter, radius: StrictRadius) -> None:
    phone = router.plug_in(PHONE)
    radius.sell("voucher")
    fields: dict[str, str | int] = {
        "radius31": LAPTOP,
        "radius8-14988": "1G",
        "radius27u": 99,
        "dst": "http://x",
        "radius0": "zero",
        "radius999": "beyond",
    }
    assert phone.browse_login("voucher", MAC_PASSWORD, fields).ok
    question = radius.questions[-1]
    assert question["Calling-Station-Id"] == [PHONE, LAPTOP]
    assert question["Mikrotik-Rate-Limit"] == ["1G"]
    assert question["Session-Timeout"] == [99]
    assert "session-time-left" not in router.rows(ACTIVE)[0]


@pytest.mark.parametrize("rate", ["fast", "5M/", "1M/1M 2M/2M 1M 1 9", "1M " * 9, "", "-5M", "5M/10M x"])
def test_a_malformed_rate_means_no_login(router: VirtualRouter, radius: StrictRadius, rate: str) -> None:
    radius.sell(PHONE, Mikrotik_Rate_Limit=rate)
    phone = router.plug_in(PHONE)
    assert not phone.online
    assert "invalid attribute" in phone.error
    assert radius.reports == []


def test_an_answer_may_name_an_address_or_a_pool(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/pool/add", name="expired", ranges="10.99.0.5-10.99.0.6")
    radius.sell(PHONE, Framed_IP_Address="10.77.0.9")
    phone = router.plug_in(PHONE)
    assert router.rows(ACTIVE)[0]["address"] == "10.77.0.9"
    assert router.rows(HOST)[0]["address"] == phone.ip
    radius.sell(LAPTOP, Framed_Pool="expired")
    router.plug_in(LAPTOP)
    assert router.rows(ACTIVE)[1]["address"] == "10.99.0.5"
    radius.sell("AA:BB:CC:00:00:03", Framed_Pool="nowhere")
    lost = router.plug_in("AA:BB:CC:00:00:03")
    assert lost.error == "address pool nowhere does not exist"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("XX-XX-XX-XX-XX-XX", "AA-BB-CC-00-00-01"),
        ("XXXXXXXXXXXX", "AABBCC000001"),
        ("XXXXXX:XXXXXX", "AABBCC:000001"),
        ("XXXX:XXXX:XXXX", "AABB:CC00:0001"),
    ],
)
def test_the_user_name_of_a_mac_login_follows_the_profile(
    router: VirtualRouter, radius: StrictRadius, pattern: str, name: str
) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", radius_mac_format=pattern)
    router.plug_in(PHONE)
    assert radius.questions[0]["User-Name"] == [name]
    assert radius.questions[0]["Calling-Station-Id"] == [PHONE]


def test_the_password_of_a_mac_login_follows_the_profile(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", mac_auth_mode="mac-as-username-and-password")
    router.plug_in(PHONE)
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", mac_auth_mode="mac-as-username", mac_auth_password="")
    router.plug_in(LAPTOP)
    assert [question["password"] for question in radius.questions] == [[PHONE], [""]]


def test_a_mac_cookie_logs_a_returning_device_in_until_something_drops_it(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", login_by="http-pap,mac-cookie")
    phone = router.plug_in(PHONE)
    radius.sell("voucher")
    assert phone.browse_login("voucher", MAC_PASSWORD).ok
    assert [row["user"] for row in router.rows("/ip/hotspot/cookie")] == ["voucher"]
    phone.leave()
    router.advance(200)
    phone.come_back()
    assert [row["login-by"] for row in router.rows(ACTIVE)] == ["mac-cookie"]
    phone.log_out()
    assert router.rows("/ip/hotspot/cookie") == []
    assert radius.reports[-1]["Acct-Terminate-Cause"] == 1


def test_a_one_time_password_breaks_a_mac_cookie(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", login_by="http-pap,mac-cookie")
    phone = router.plug_in(PHONE)
    radius.sell("once")
    phone.browse_login("once", MAC_PASSWORD)
    phone.leave()
    router.advance(200)
    del radius.allowed["once"]
    phone.come_back()
    assert not phone.online
    assert router.rows("/ip/hotspot/cookie") == []
