"""Payment callbacks at the door: stored once, whoever shouts, and never believed without the secret."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from sqlalchemy import select

from core import ledger, outbox, tenants
from core.config import Settings
from core.inbox import Inbound
from jobs.perform import perform
from jobs.registry import JOBS
from portal.app import create_app
from tests.core.kit import Shop, open_shop

CALLBACK = {
    "Body": {"stkCallback": {"MerchantRequestID": "m", "CheckoutRequestID": "c", "ResultCode": 1032, "ResultDesc": "x"}}
}


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    shop = open_shop(settings)
    yield shop
    shop.app.close()


@pytest.fixture
def door(shop: Shop) -> FlaskClient:
    return create_app(shop.app).test_client()


def address(shop: Shop, door: str = "hooks") -> str:
    with shop.work() as uow:
        return f"/hooks/daraja/{tenants.door_url_secret(uow, door)}"


def stored(shop: Shop) -> list[Inbound]:
    with shop.app.work(None) as uow:
        return list(uow.session.scalars(select(Inbound)))


def test_a_callback_is_stored_and_answered_before_anybody_understands_it(shop: Shop, door: FlaskClient) -> None:
    answer = door.post(address(shop) + "?p=garbage", json=CALLBACK)
    assert (answer.status_code, answer.get_json()) == (200, {"ResultCode": 0, "ResultDesc": "Accepted"})
    (inbound,) = stored(shop)
    assert json.loads(inbound.body) == CALLBACK
    assert (inbound.digested_at, inbound.context) == (None, "")


def test_copies_are_thanked_for_and_stored_once(shop: Shop, door: FlaskClient) -> None:
    assert [door.post(address(shop), json=CALLBACK).status_code for _ in range(5)] == [200] * 5
    assert len(stored(shop)) == 1
    with shop.app.work(None) as uow:
        assert len(uow.session.scalars(select(outbox.Promise)).all()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/daraja/",
        "/hooks/daraja/x",
        "/hooks/daraja/" + "0" * 48,
        "/hooks/daraja/%00%ff",
        "/hooks/daraja/" + "a" * 5000,
        "/hooks",
    ],
)
def test_a_wrong_address_is_nobodys(shop: Shop, door: FlaskClient, path: str) -> None:
    assert door.post(path, json=CALLBACK).status_code == 404
    assert stored(shop) == []


def test_the_secret_of_another_door_or_company_opens_nothing(shop: Shop, door: FlaskClient) -> None:
    assert door.post(address(shop, "ussd"), json=CALLBACK).status_code == 404
    assert door.post(address(shop).replace("daraja", "stripe"), json=CALLBACK).status_code == 404
    assert stored(shop) == []


def test_other_methods_and_empty_or_huge_bodies_are_turned_away(shop: Shop, door: FlaskClient) -> None:
    here = address(shop)
    assert door.get(here).status_code == 405
    assert door.put(here, data="x").status_code == 405
    assert door.post(here, data=b"  ").status_code == 400
    assert door.post(here, data=b"x" * (64 * 1024 + 1)).status_code == 413
    assert stored(shop) == []


def test_validation_takes_every_payment_and_stores_nothing(shop: Shop, door: FlaskClient) -> None:
    answer = door.post(address(shop) + "/validate", json={"TransID": "X"})
    assert (answer.status_code, answer.get_json()["ResultCode"]) == (200, 0)
    assert door.post("/hooks/daraja/" + "0" * 48 + "/validate", json={}).status_code == 404
    assert stored(shop) == []


@tuned(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(min_size=1, max_size=300).filter(lambda body: bool(body.strip())),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda x: st.lists(x, max_size=4) | st.dictionaries(st.sampled_from(["Body", "stkCallback", "ResultCode", "TransID", "TransAmount"]), x, max_size=4), max_leaves=12).map(lambda value: json.dumps(value).encode()),
    )
)  # fmt: skip
def test_whatever_is_posted_is_kept_understood_as_nothing_and_books_nothing(
    shop: Shop, door: FlaskClient, body: bytes
) -> None:
    assert door.post(address(shop), data=body).status_code == 200
    with shop.app.work(None) as uow:
        due = [row[0] for row in outbox.lease_due(uow.session, uow.now, 100)]
    for promise_id in due:
        perform(shop.app, JOBS, promise_id)
    assert all(inbound.digested_at is not None for inbound in stored(shop))
    with shop.work() as uow:
        assert ledger.totals(uow) == {}


def test_no_secret_and_no_number_reaches_the_log(
    shop: Shop, door: FlaskClient, capfd: pytest.CaptureFixture[str]
) -> None:
    here = address(shop)
    door.post(here, json={"PhoneNumber": 254712345678})
    door.post(here + "0", json={"PhoneNumber": 254712345678})
    said = "".join(capfd.readouterr())
    assert "callback.stored" in said
    assert here.rpartition("/")[2][:20] not in said
    assert "254712345678" not in said


def test_health_says_when_promises_are_not_carried(shop: Shop, door: FlaskClient) -> None:
    assert door.get("/healthz").get_json() == {"ok": True, "due": 0, "oldest_seconds": None, "parked": 0}
    door.post(address(shop), json=CALLBACK)
    shop.later(minutes=3)
    answer = door.get("/healthz")
    assert answer.status_code == 503
    assert "relay" in answer.get_json()["trouble"]
