"""Independent clients find a router: librouteros and RouterOS-api, in clear and under TLS."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator

import librouteros
import pytest
import routeros_api
from librouteros.exceptions import FatalError, TrapError
from librouteros.login import token
from librouteros.query import Key
from routeros_api.exceptions import RouterOsApiCommunicationError

from sim.routeros import ManualClock, VirtualRouter

PASSWORD = "router password"


@pytest.fixture(params=["7.21.5", "7.18.2", "6.49.18"])
def router(request: pytest.FixtureRequest) -> Iterator[VirtualRouter]:
    with VirtualRouter(password=PASSWORD, version=request.param, clock=ManualClock()) as router:
        yield router


@pytest.fixture(params=["clear", "tls"])
def api(request: pytest.FixtureRequest, router: VirtualRouter) -> Iterator[librouteros.api.Api]:
    extra = {}
    if request.param == "tls":
        context = ssl.create_default_context(cadata=router.certificate_pem.decode())
        extra["ssl_wrapper"] = functools.partial(context.wrap_socket, server_hostname=router.host)
    port = router.api_ssl_port if request.param == "tls" else router.api_port
    api = librouteros.connect(router.host, "duka", PASSWORD, port=port, encoding="UTF-8", **extra)
    yield api
    api.close()


@pytest.fixture(params=["clear", "tls"])
def pool(request: pytest.FixtureRequest, router: VirtualRouter) -> Iterator[routeros_api.RouterOsApiPool]:
    tls = request.param == "tls"
    pool = routeros_api.RouterOsApiPool(
        router.host,
        username="duka",
        password=PASSWORD,
        port=router.api_ssl_port if tls else router.api_port,
        plaintext_login=True,
        use_ssl=tls,
        ssl_verify=False,
        ssl_verify_hostname=False,
    )
    yield pool
    pool.disconnect()


def test_librouteros_adds_finds_changes_and_removes(api: librouteros.api.Api) -> None:
    users = api.path("/ip/hotspot/user")
    number = users.add(name="guest", password="12", comment="naïve ✓")
    found = users.select(Key(".id"), Key("name"), Key("comment")).where(Key("name") == "guest")
    assert list(found) == [{".id": number, "name": "guest", "comment": "naïve ✓"}]
    users.update(**{".id": number, "disabled": True})
    assert [row["name"] for row in users.select(Key("name")).where(Key("disabled") == "true")] == ["guest"]
    users.remove(number)
    assert list(users.select(Key("name")).where(Key("name") == "guest")) == []


def test_librouteros_sees_refusals_as_traps(api: librouteros.api.Api) -> None:
    with pytest.raises(TrapError, match="no such item"):
        api.path("/ip/hotspot/user").remove("*FFF")
    with pytest.raises(TrapError, match="unknown parameter priority"):
        api.path("/radius").add(address="127.0.0.1", priority="1")
    assert [row["name"] for row in api("/system/identity/print")] == ["market"]


def test_librouteros_combines_queries(api: librouteros.api.Api) -> None:
    users = api.path("/ip/hotspot/user")
    for name, limit in (("a", "5"), ("b", "50"), ("c", "500")):
        users.add(name=name, **{"limit-bytes-total": limit})
    name, limit = Key("name"), Key("limit-bytes-total")
    assert [row["name"] for row in users.select(name).where(limit > 5)] == ["b", "c"]
    assert [row["name"] for row in users.select(name).where(limit < 500, name != "a")] == ["b"]
    assert [row["name"] for row in users.select(name).where(name.In("a", "c", "z"))] == ["a", "c"]


def test_librouteros_moves_large_values(api: librouteros.api.Api) -> None:
    note = "x" * 300_000
    rules = api.path("/ip/hotspot/walled-garden")
    rules.add(comment=note, **{"dst-host": "pay.example"})
    assert next(iter(rules))["comment"] == note


def test_librouteros_is_told_that_its_password_is_wrong(router: VirtualRouter) -> None:
    with pytest.raises(TrapError, match="invalid user name or password"):
        librouteros.connect(router.host, "duka", "guess", port=router.api_port, encoding="UTF-8")


def test_librouteros_is_told_that_it_was_thrown_out(router: VirtualRouter) -> None:
    api = librouteros.connect(router.host, "duka", PASSWORD, port=router.api_port, encoding="UTF-8")
    with pytest.raises(FatalError, match="session terminated on request"):
        tuple(api("/quit"))
    api.close()


def test_librouteros_logs_in_to_a_router_before_6_43_with_its_old_method() -> None:
    with VirtualRouter(password=PASSWORD, version="6.42.12", clock=ManualClock()) as old:
        api = librouteros.connect(old.host, "duka", PASSWORD, port=old.api_port, encoding="UTF-8", login_method=token)
        assert [row["name"] for row in api("/system/identity/print")] == ["market"]
        api.close()


def test_tls_with_another_certificate_is_not_believed(router: VirtualRouter) -> None:
    context = ssl.create_default_context()
    wrap = functools.partial(context.wrap_socket, server_hostname=router.host)
    with pytest.raises(ssl.SSLCertVerificationError):
        librouteros.connect(router.host, "duka", PASSWORD, port=router.api_ssl_port, ssl_wrapper=wrap)


def test_routeros_api_adds_finds_changes_and_removes(pool: routeros_api.RouterOsApiPool) -> None:
    users = pool.get_api().get_resource("/ip/hotspot/user")
    users.add(name="guest", password="12")
    (row,) = users.get(name="guest")
    assert row["disabled"] == "false"
    users.set(id=row["id"], disabled="yes")
    assert users.get(name="guest")[0]["disabled"] == "true"
    users.remove(id=row["id"])
    assert users.get(name="guest") == []


def test_routeros_api_runs_several_commands_at_once_with_tags(pool: routeros_api.RouterOsApiPool) -> None:
    api = pool.get_api()
    names = api.get_binary_resource("/system/identity")
    resources = api.get_binary_resource("/system/resource")
    first, second, third = names.call_async("print"), resources.call_async("print"), names.call_async("print")
    assert third.get() == first.get() == [{"name": b"market"}]
    assert second.get()[0]["board-name"] == b"hAP ac^2"


def test_routeros_api_sees_refusals(pool: routeros_api.RouterOsApiPool) -> None:
    with pytest.raises(RouterOsApiCommunicationError, match="no such command prefix"):
        pool.get_api().get_resource("/no/such/menu").get()
    with pytest.raises(RouterOsApiCommunicationError, match="input does not match any value of type"):
        pool.get_api().get_resource("/ip/hotspot/ip-binding").add(type="friendly")
