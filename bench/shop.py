"""An ISP with a price list and customers who have a history, written in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import insert, text

from core import catalog, codes, config, network, tenants
from core.app import App, open_app
from core.customers.models import Customer, Device
from core.ledger.models import Account
from core.money import Money
from core.phone import Msisdn
from core.purchases.models import Purchase
from core.subscriptions.models import Grant, Subscription
from core.tenants import AfricasTalkingAccount, DarajaAccount, TenantSettings
from core.uow import UnitOfWork

CUSTOMERS = 5_000
SERVICE_CODE, SHORT_CODE, PAYBILL = "*384*35711#", "22999", "600123"
SAFARICOM = "63902"
PACKAGES = (("1H", "1 hour", "10", 1), ("3H", "3 hours", "20", 3), ("12H", "12 hours", "35", 12),
            ("1D", "1 day", "50", 24), ("7D", "7 days", "250", 168), ("30D", "30 days", "900", 720))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shop:
    """The ISP: its tenant, and the secrets in the addresses it gave out."""

    app: App
    tenant_id: int
    ussd_secret: str
    hooks_secret: str


def msisdn(number: int) -> Msisdn:
    """The phone of the n-th customer: numbers from 0; those from CUSTOMERS on are strangers."""
    return Msisdn(f"+254712{number:06d}")


def mac(number: int) -> str:
    """The device of the n-th customer."""
    digits = f"02005E{number:06X}"
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def make_key(folder: Path) -> Path:
    """A key file for sealed columns."""
    path = folder / "duka.key"
    if not path.is_file():
        path.write_text(Fernet.generate_key().decode() + "\n", encoding="ascii")
    return path


def open_shop(
    database_url: str, redis_url: str, folder: Path, *, daraja_url: str | None = None, sms_url: str | None = None
) -> Shop:
    """Open the ISP in an empty database with tables. The companies are at these addresses (nobody is, without one)."""
    settings = config.load(
        database={"url": database_url}, redis={"url": redis_url}, secrets={"key": f"file:{make_key(folder)}"}
    )
    app = open_app(settings)
    with app.work(None) as uow:
        tenant = tenants.open_tenant(
            uow, slug="bench", name="Bench Net", country="KE", currency="KES", timezone="Africa/Nairobi"
        )
    with app.work(tenant.id) as uow:
        tenants.change_settings(
            uow,
            TenantSettings(
                help_line="0700 000 000",
                africastalking=AfricasTalkingAccount(
                    username="bench", api_key="key-bench", short_code=SHORT_CODE, service_code=SERVICE_CODE,
                    base_url=sms_url or "http://127.0.0.1:9",
                ),
                daraja=DarajaAccount(
                    consumer_key="ck-bench", consumer_secret="cs-bench", short_code=PAYBILL, passkey="pk-bench",
                    base_url=daraja_url or "http://127.0.0.1:9",
                ),
            ),
        )  # fmt: skip
        for code, name, price, hours in PACKAGES:
            catalog.publish(
                uow, code=code, name=name, price=Money.parse(price, "KES"), duration_seconds=hours * 3600,
                upload_kbps=2000, download_kbps=5000,
            )  # fmt: skip
        secrets = {door: tenants.door_url_secret(uow, door) for door in tenants.DOORS}
    return Shop(app, tenant.id, secrets["ussd"], secrets["hooks"])


def add_router(shop: Shop, host: str, api_port: int, coa_port: int) -> tuple[str, str]:
    """Register a router on loopback; its RADIUS secret and the password of its MAC logins."""
    with shop.app.work(shop.tenant_id) as uow:
        row = network.add_router(
            uow, name=f"market {host}", host=host, username="duka", password="router-pass", nas_address=host,
            api_port=api_port, api_tls=False, coa_port=coa_port,
        )  # fmt: skip
        return row.radius_secret, row.mac_auth_password


def fill(shop: Shop, customers: int = CUSTOMERS, purchases_each: int = 4, *, live: bool = True) -> None:
    """People with a device, purchases behind them and, if `live`, every second one with time left."""
    with shop.app.work(shop.tenant_id) as uow:
        _fill(uow, customers, purchases_each, live)
    with shop.app.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _fill(uow: UnitOfWork, count: int, purchases_each: int, live: bool) -> None:
    tenant, now = uow.tenant, uow.now
    people = [
        {
            "id": n + 1, "tenant_id": tenant, "msisdn": msisdn(n), "msisdn_hash": msisdn(n).sha256,
            "account_code": codes.make(6), "language": "en", "last_network": SAFARICOM,
            "created_at": now - timedelta(days=90),
        }
        for n in range(count)
    ]  # fmt: skip
    taken: set[str] = set()
    for person in people:
        while person["account_code"] in taken:
            person["account_code"] = codes.make(6)
        taken.add(str(person["account_code"]))
    uow.session.execute(insert(Customer), people)
    uow.session.execute(
        insert(Device),
        [
            {"tenant_id": tenant, "customer_id": n + 1, "mac": mac(n), "added_at": now - timedelta(days=80)}
            for n in range(count)
        ],
    )
    uow.session.execute(
        insert(Account),
        [
            {"tenant_id": tenant, "name": f"wallet:{n + 1}", "currency": "KES", "guarded": True, "balance_minor": 0}
            for n in range(count)
        ],
    )
    bought = [
        {
            "tenant_id": tenant, "customer_id": n + 1, "package_id": 1 + (n + k) % len(PACKAGES),
            "key": f"history:{n}:{k}", "price_minor": 2000, "currency": "KES",
            "created_at": now - timedelta(days=7 * k, minutes=5), "completed_at": now - timedelta(days=7 * k, minutes=4),
        }
        for n in range(count) for k in range(1, purchases_each + 1)
    ]  # fmt: skip
    uow.session.execute(insert(Purchase), bought)
    rows = []
    for n in range(count):
        for k in range(1, purchases_each + 1):
            last = live and k == 1 and n % 2 == 0
            began = now - timedelta(days=7 * k)
            rows.append(
                {
                    "tenant_id": tenant, "customer_id": n + 1, "package_id": 1, "starts_at": began, "begun_at": began,
                    "ends_at": now + timedelta(hours=2) if last else began + timedelta(days=1), "used_bytes": 0,
                    "over_at": now + timedelta(hours=2) if last else began + timedelta(days=1),
                    "closed_at": None if last else began + timedelta(days=1), "device_limit": 1,
                }
            )  # fmt: skip
    uow.session.execute(insert(Subscription), rows)
    grants = [
        {"tenant_id": tenant, "subscription_id": n, "purchase_id": n, "added_seconds": 3600, "at": now}
        for n in range(1, len(bought) + 1)
    ]
    uow.session.execute(insert(Grant), grants)
    if uow.session.get_bind().dialect.name == "postgresql":
        uow.session.execute(text("SELECT setval('customer_id_seq', :count)"), {"count": count})
