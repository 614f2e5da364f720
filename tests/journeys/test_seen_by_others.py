"""A purchase driven over HTTP alone, as the companies post it, and the router read by API clients that we did not write."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import librouteros
import requests
import routeros_api

from core.payments import Payment
from tests.town import CALLER, SAFARICOM, TV, Town

CLIENTS = Path(__file__).parents[1] / "clients"
SESSION = "ATUid_0123456789abcdef0123456789abcdef"


def hop(town: Town, text: str) -> str:
    """One post of Africa's Talking, as captured (africastalking.md §2.1)."""
    fields = {
        "sessionId": SESSION,
        "phoneNumber": CALLER,
        "networkCode": SAFARICOM,
        "serviceCode": town.shop.service_code,
        "text": text,
    }
    answer = requests.post(town.shop.ussd_url, data=fields, headers={"User-Agent": "at-ussd-api/1.0"}, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return answer.text


def stk_callback(payment: Payment) -> dict[str, object]:
    """What Daraja posts for a paid prompt (payments.md §1.2), its numbers as numbers."""
    items = [
        {"Name": "Amount", "Value": 20.00},
        {"Name": "MpesaReceiptNumber", "Value": "SGL1XYZ789"},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": 20261120120004},
        {"Name": "PhoneNumber", "Value": 254712345678},
    ]
    return {
        "Body": {
            "stkCallback": {
                "MerchantRequestID": payment.merchant_request_id,
                "CheckoutRequestID": payment.request_id,
                "ResultCode": 0,
                "ResultDesc": "The service request is processed successfully.",
                "CallbackMetadata": {"Item": items},
            }
        }
    }


def bought_over_http(town: Town) -> None:
    town.money.add_wallet(CALLER, "1234", 1_000_00)
    town.package()
    town.plug_in(TV)
    town.work_off()
    assert hop(town, "").startswith("CON ")
    assert "A1B2" in hop(town, "1")
    assert re.match(r"END .*PIN", hop(town, "1*1"))
    town.pass_time(3)
    with town.app.work(town.shop.tenant_id) as uow:
        payment = uow.session.query(Payment).one()
    posted = requests.post(town.shop.hooks_url, json=stk_callback(payment), timeout=10)
    assert (posted.status_code, posted.json()["ResultCode"]) == (200, 0)
    town.work_off()


def test_three_api_clients_see_the_device_that_was_paid_for_over_http(town: Town) -> None:
    bought_over_http(town)
    assert [seen["mac-address"] for seen in by_librouteros(town)] == [TV]
    assert [seen["mac-address"] for seen in by_routeros_api(town)] == [TV]
    assert [seen["mac-address"] for seen in by_node_routeros(town)] == [TV]


def by_librouteros(town: Town) -> list[dict[str, object]]:
    api = librouteros.connect("127.0.0.1", "duka", "router-pass", port=town.router.api_port, encoding="UTF-8")
    try:
        return list(api("/ip/hotspot/active/print"))
    finally:
        api.close()


def by_routeros_api(town: Town) -> list[dict[str, str]]:
    pool = routeros_api.RouterOsApiPool(
        "127.0.0.1", "duka", "router-pass", port=town.router.api_port, plaintext_login=True
    )
    try:
        return list(pool.get_api().get_resource("/ip/hotspot/active").get())
    finally:
        pool.disconnect()


def by_node_routeros(town: Town) -> list[dict[str, str]]:
    arguments = ["127.0.0.1", str(town.router.api_port), "duka", "router-pass"]
    done = subprocess.run(
        ["node", "read-active.js", *arguments], cwd=CLIENTS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
