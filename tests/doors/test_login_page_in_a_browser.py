"""A router's login page in a real browser: it goes on to the portal that answers, and stays while none does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask, request
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from core import login_page, network, tenants
from core.config import Settings
from sim.routeros.pages import render
from tests.doors.town_page_kit import chromium
from tests.town import TV, Town, open_town, web_server

pytestmark = pytest.mark.first_database
SECONDS_MAX, NO_DOOR = 30, "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def town(settings: Settings) -> Iterator[Town]:
    with open_town(settings) as town:
        with town.app.work(town.shop.tenant_id) as uow:
            network.find_router(uow, "market").site_id = tenants.add_site(uow, "market", "Market square").id
        yield town


def router_with(town: Town, portal_base: str, seen: list[dict[str, str]]) -> Flask:
    """A web server that fills in the login page of the market's router as RouterOS does, and notes what is posted."""
    with town.app.work(town.shop.tenant_id) as uow:
        page = login_page.files(network.blueprint_of(uow, network.find_router(uow, "market")))["login.html"]
    page, router = page.replace(town.portal_base, portal_base), Flask("router")

    @router.get("/login")
    def shown() -> str:
        return render(page, {"mac": TV, "link-login-only": "/login", "ip": "10.20.0.9", "link-orig": ""}).body

    @router.post("/login")
    def posted() -> str:
        seen.append(request.form.to_dict())
        return render(page, {"mac": TV, "link-login-only": "/login", "error": "This code is not known."}).body

    return router


def until(browser: webdriver.Chrome, met: Callable[[], bool]) -> None:
    WebDriverWait(browser, SECONDS_MAX, poll_frequency=0.05).until(lambda _: met())


def test_it_goes_on_to_a_portal_that_answers(town: Town, browser: webdriver.Chrome) -> None:
    with web_server(router_with(town, town.portal_base, [])) as base:
        browser.get(f"{base}/login")
        until(browser, lambda: browser.current_url.startswith(f"{town.portal_base}/p/"))


@pytest.mark.parametrize("is_there", [False, True], ids=["nobody listens", "a proxy without a portal behind it"])
def test_it_stays_while_no_portal_answers_and_takes_a_code(
    town: Town, browser: webdriver.Chrome, is_there: bool
) -> None:
    seen: list[dict[str, str]] = []
    proxy, asked = Flask("proxy"), []

    @proxy.route("/<path:path>")
    def nothing(path: str) -> tuple[str, int]:
        asked.append(path)
        return "bad gateway", 502

    with web_server(proxy) as away, web_server(router_with(town, away if is_there else NO_DOOR, seen)) as base:
        browser.get(f"{base}/login")
        if is_there:
            until(browser, lambda: bool(asked))
        field = browser.find_element(By.NAME, "password")
        field.send_keys("k7m2p-9qrst")
        assert browser.current_url == f"{base}/login"
        browser.find_element(By.TAG_NAME, "button").click()
        until(browser, lambda: "This code is not known." in browser.page_source)
    assert seen == [{"username": TV, "password": "k7m2p-9qrst"}]
