"""How many routers' questions the embedded RADIUS server answers; told for planning, nothing is demanded."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.figures import Figure
from bench.measure import percentile
from bench.processes import ROOT, process
from bench.shop import add_router, fill, mac, open_shop
from core.ports import Access
from tests import services

USERS = 2_000
ROUNDS, SECONDS = 3, 3.0
READY_SECONDS_MAX = 20


def run() -> list[Figure]:
    """Logins that are let in, logins that are not, and interim reports, on PostgreSQL."""
    with (
        services.postgres_server() as server, services.redis_server() as redis, TemporaryDirectory() as name,
        services.postgres_database(server) as url,
    ):  # fmt: skip
        folder = Path(name)
        services.create_tables(url)
        shop = open_shop(url, redis.url, folder)
        fill(shop, 2 * USERS, 1)
        secret, password = add_router(shop, "127.0.0.1", 1, 1)
        until = shop.app.clock.now() + timedelta(hours=3)
        shop.app.world(shop.tenant_id).access.apply(
            [
                Access(
                    mac(n), allowed=True, expires_at=until, upload_kbps=2000, download_kbps=5000, subscription_id=n + 1
                )
                for n in range(USERS)
            ]
        )
        auth, acct = services.free_port(), services.free_port()
        env = {
            "DUKA_DATABASE__URL": url, "DUKA_REDIS__URL": redis.url, "DUKA_SECRETS__KEY": f"file:{folder}/duka.key",
            "DUKA_RADIUS__AUTH_PORT": str(auth), "DUKA_RADIUS__ACCT_PORT": str(acct),
        }  # fmt: skip
        job = {"secret": secret, "password": password, "seconds": SECONDS}
        paid, strangers = [mac(n) for n in range(USERS)], [mac(n) for n in range(USERS, 2 * USERS)]
        log = folder / "radius.log"
        with process(["-m", "radius"], env, log):
            deadline = time.monotonic() + READY_SECONDS_MAX
            while "radius.started" not in log.read_text(errors="replace"):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-500:]}")
                time.sleep(0.1)
            figures = [
                _figure("Access-Requests, let in", job | {"kind": "auth", "port": auth, "macs": paid}, "accepted"),
                _figure(
                    "Access-Requests, not paid", job | {"kind": "auth", "port": auth, "macs": strangers}, "rejected"
                ),
                _figure("interim reports", job | {"kind": "acct", "port": acct, "macs": paid}, "accounted"),
            ]
        shop.app.close()
    return figures


def _figure(name: str, job: dict[str, Any], wanted: str) -> Figure:
    rates: list[float] = []
    took: list[float] = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-m", "bench.radius_load"], cwd=ROOT, input=json.dumps(job).encode(), capture_output=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.decode(errors='replace')[-400:]}")
        seen = json.loads(done.stdout)
        if set(seen["answered"]) != {wanted}:
            raise RuntimeError(f"{name}: {seen['answered']}")
        rates.append(len(seen["took_ms"]) / seen["seconds"])
        took += seen["took_ms"]
    return Figure(
        f"embedded RADIUS: {name}",
        f"{median(rates):,.0f}/s, median {median(took):.1f} ms, p99 {percentile(took, 0.99):.1f} ms",
    )
