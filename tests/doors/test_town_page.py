"""The town's page in a real browser: what a newcomer clicks in the first minute, and what a hostile menu cannot do."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import requests
from flask import Flask, Response, request
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from sim.__main__ import create_app, serve
from sim.daraja import rules
from sim.town import Town
from sim.town_plan import load
from tests.town import web_server

SECONDS_MAX = 15
HOURS_3 = "3h"
TV = "A4:77:33:10:20:01"
LETTERS = "1 Three hours 20.00\n2 One day 50.00"
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
PAGE_WIDTHS = (390, 1280)
SMALL_TARGETS = """
  return [...document.querySelectorAll('button, summary, input')].filter(node => node.offsetParent && !node.closest('.glass'))
    .map(node => [node.className || node.tagName, node.textContent.slice(0, 20), node.getBoundingClientRect()])
    .filter(([, , box]) => box.height < 44 || box.width < 44).map(([name, words]) => `${name} ${words}`)"""
PALE_WORDS = """
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = rgb => { const [r, g, b] = rgb.slice(0, 3).map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = node => { for (; node; node = node.parentElement) { const style = getComputedStyle(node), found = style.backgroundColor;
    if (style.backgroundImage !== 'none') return null;
    if (found.startsWith('rgb') && (channels(found)[3] ?? 1) === 1) return channels(found);
    if (!found.startsWith('rgb')) return null; } return [255, 255, 255]; };
  const pale = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement, words = texts.currentNode.textContent.trim();
    if (!words || !node.offsetParent || node.closest('[disabled], .hidden, .toast, template, script')) continue;
    const behind = ground(node);
    if (!behind) continue;
    const pair = [light(channels(getComputedStyle(node).color)), light(behind)].sort((a, b) => b - a);
    const contrast = (pair[0] + .05) / (pair[1] + .05);
    if (contrast < 4.5) pale.push(`${words.slice(0, 30)} ${contrast.toFixed(2)}`);
  }
  return pale"""
NAMELESS = """
  return [...document.querySelectorAll('button, input')].filter(node => node.offsetParent)
    .filter(node => !(node.textContent.trim() || node.ariaLabel || [...(node.labels || [])].some(label => label.textContent.trim())))
    .map(node => node.outerHTML)"""


@dataclass
class LittleShop:
    """Our side of the street, as small as it can be: one menu, one prompt, one device let in, one receipt."""

    town: Town
    base_url: str = ""
    menu: str = f"Welcome to the shop\n{LETTERS}"
    receipt: str = "Paid. Good for 3 hours."
    trouble: str = ""
    waiting: list[threading.Timer] = field(default_factory=list)

    def web(self) -> Flask:
        web = Flask("little shop")

        @web.post("/ussd")
        def ussd() -> Response:
            steps = [step for step in request.form["text"].split("*") if step]
            if not steps:
                return self._words(f"CON {self.menu}")
            if len(steps) == 1:
                return self._words("CON Three hours, 20.00\n1 Pay")
            timer = threading.Timer(0.2, self._prompt, [request.form["phoneNumber"]])
            self.waiting.append(timer)
            timer.start()
            return self._words("END Enter your PIN on the next prompt.")

        @web.post("/hook/<msisdn>")
        def hook(msisdn: str) -> Response:
            if request.get_json()["Body"]["stkCallback"]["ResultCode"] == 0:
                self.let_in()
                self._text(f"+{msisdn}")
            return self._words("ok")

        @web.post("/sms")
        def sms() -> Response:
            self._text(request.form["from"])
            return self._words("ok")

        @web.get("/healthz")
        def healthz() -> tuple[dict[str, str], int]:
            return ({"trouble": self.trouble}, 503) if self.trouble else ({}, 200)

        return web

    @staticmethod
    def _words(words: str) -> Response:
        return Response(words, content_type="text/plain; charset=utf-8")

    def _prompt(self, msisdn: str) -> None:
        daraja, plan = self.town.daraja, self.town.plan.daraja
        base = daraja.base_url
        login = (plan.consumer_key, plan.consumer_secret)
        grant = requests.get(f"{base}/oauth/v1/generate?grant_type=client_credentials", auth=login, timeout=5).json()
        stamp = rules.eat(datetime.now(UTC))
        number = msisdn.lstrip("+")
        body = {
            "BusinessShortCode": plan.short_code,
            "Password": base64.b64encode(f"{plan.short_code}{plan.passkey}{stamp}".encode()).decode(),
            "Timestamp": stamp,
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 20,
            "PartyA": number,
            "PartyB": plan.short_code,
            "PhoneNumber": number,
            "CallBackURL": f"{self.base_url}/hook/{number}",
            "AccountReference": "W7",
            "TransactionDesc": "Internet",
        }
        bearer = {"Authorization": f"Bearer {grant['access_token']}"}
        requests.post(f"{base}/mpesa/stkpush/v1/processrequest", json=body, headers=bearer, timeout=5)

    def let_in(self) -> None:
        router = self.town.routers["market"]
        device = next(device for device in router.devices if device.present and not device.online)
        router.run(
            "/ip/hotspot/user/add", name=device.mac, password="x", limit_uptime=HOURS_3, limit_bytes_total="2000000000"
        )
        router.run("/ip/hotspot/active/login", user=device.mac, password="x", ip=device.ip, mac_address=device.mac)

    def _text(self, msisdn: str) -> None:
        plan = self.town.plan.africastalking
        form = {"username": plan.username, "to": msisdn, "message": self.receipt}
        url = f"{self.town.africastalking.base_url}/version1/messaging"
        requests.post(url, data=form, headers={"apiKey": plan.api_key}, timeout=5)


@dataclass
class Page:
    """The page in the browser, asked in words."""

    browser: webdriver.Chrome
    url: str
    shop: LittleShop
    town: Town

    def open(self, width: int = 1280, *, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        size = {"width": width, "height": 860, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.get(self.url)
        self.until(lambda: self.all(".phone"))

    def until(self, met: Callable[[], object]) -> None:
        WebDriverWait(self.browser, SECONDS_MAX, poll_frequency=0.05).until(lambda _: met())

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str, within: WebElement | None = None) -> WebElement:
        return (within or self.browser).find_element(By.CSS_SELECTOR, selector)

    def phone(self, number: int = 0) -> WebElement:
        return self.all(".phone")[number]

    def press(self, keys: str, phone: WebElement) -> None:
        buttons = {button.text: button for button in phone.find_elements(By.CSS_SELECTOR, ".pad .key")}
        for key in keys:
            self.click(buttons[key])

    def click(self, element: WebElement) -> None:
        """Scroll there as a person does, to the middle of the window, and click."""
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def call(self, phone: WebElement) -> None:
        self.click(self.one(".call", phone))

    def words(self, phone: WebElement) -> str:
        return self.one(".words", phone).text

    def prompt_is_up(self, phone: WebElement) -> bool:
        return self.one(".prompt", phone).is_displayed()

    def pill(self, mac: str) -> str:
        return self.one(f'.device[data-mac="{mac}"] .pill').text

    def switch(self, name: str) -> WebElement:
        return self.one(f'.switch[data-name="{name}"]')

    def reach_prompt(self, phone: WebElement) -> None:
        """Dial, choose, pay, and wait for M-Pesa's prompt."""
        self.press("*384*35711#", phone)
        self.call(phone)
        self.until(lambda: self.words(phone).startswith("Welcome"))
        for expected in ("Three hours, 20.00", "Enter your PIN"):
            self.press("1", phone)
            self.call(phone)
            self.until(partial(self._shows, phone, expected))
        self.until(lambda: self.prompt_is_up(phone))

    def _shows(self, phone: WebElement, beginning: str) -> bool:
        return self.words(phone).startswith(beginning)

    def until_there_are(self, count: int, selector: str) -> None:
        self.until(lambda: len(self.all(selector)) == count)

    def log(self) -> list[dict[str, str]]:
        """What the browser's console says since the last time."""
        lines: list[dict[str, str]] = self.browser.execute("getLog", {"type": "browser"})["value"]
        return lines

    def errors(self) -> list[str]:
        return [line["message"] for line in self.log() if line["level"] in ("SEVERE", "WARNING")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One headless Chromium for all tests here, with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    profile: Path = tmp_path_factory.mktemp("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or "chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome) -> Iterator[Page]:
    """A fresh town with the little shop in it, and its page open at desktop width."""
    with Town(replace(load(), page_port=0)) as town:
        shop = LittleShop(town)
        server = serve(town, 0)
        with web_server(shop.web()) as shop.base_url:
            town.register(ussd_url=f"{shop.base_url}/ussd", sms_url=f"{shop.base_url}/sms")
            town.come_back(TV)
            view = Page(browser, f"http://127.0.0.1:{server.port}/", shop, town)
            view.log()
            view.open()
            yield view
            browser.get("about:blank")
            for timer in shop.waiting:
                timer.join()
        server.shutdown()
        server.server_close()


# ── the first minute ──


def test_a_newcomer_dials_pays_and_sees_the_television_come_online(page: Page) -> None:
    caller = page.phone()
    assert page.one("#steps").is_displayed()
    assert page.pill(TV) == "not let in"
    page.press("*384*35711#", caller)
    page.call(caller)
    page.until(lambda: page.words(caller) == page.shop.menu)  # exactly as sent, line for line
    for _ in range(2):
        page.press("1", caller)
        page.call(caller)
        page.until(lambda: not page.words(caller).startswith(("Welcome", "USSD")))
    page.until(lambda: page.prompt_is_up(caller))
    assert "Pay 20.00 to Shore WiFi account no. W7" in page.one(".prompt-words", caller).text
    assert page.one(".pin-hint", caller).text == "This phone's PIN: 1234"
    page.press("1234", caller)
    page.call(caller)
    page.until(lambda: not page.prompt_is_up(caller))
    page.until(lambda: page.pill(TV) == "online")
    assert page.one(".balance", caller).text == "KES 480.00"
    assert "2 h 59 min left, 2.00 GB left" in page.one(f'.device[data-mac="{TV}"] .left').text
    page.until(lambda: len(page.all("#timeline .done")) == 7)
    page.until(lambda: page.one(".envelope", caller).is_displayed())
    page.click(page.one(".messages summary", caller))
    page.until(lambda: page.shop.receipt in page.one(".inbox", caller).text)
    page.until(lambda: not page.one(".envelope", caller).is_displayed())
    assert page.errors() == []


def test_the_hint_for_newcomers_goes_when_it_is_done_and_stays_away(page: Page) -> None:
    caller = page.phone()
    page.reach_prompt(caller)
    page.until(
        lambda: [step.get_attribute("class") for step in page.all(".steps li")] == ["done", "done", "done", "now"]
    )
    page.press("1234", caller)
    page.call(caller)
    page.until(lambda: not page.one("#steps").is_displayed())
    page.open()
    page.until(lambda: page.all("#timeline .done"))
    assert not page.one("#steps").is_displayed()


def test_what_was_sold_before_the_first_visit_does_not_count_for_the_newcomer(page: Page) -> None:
    caller = page.phone()
    page.reach_prompt(caller)
    page.town.type_pin("+254712000001", "1234")
    page.until(lambda: not page.one("#steps").is_displayed())
    page.browser.execute_script("localStorage.clear()")
    page.open()
    page.until(lambda: page.one("#steps").is_displayed())
    assert page.one("#step-join").is_displayed()
    assert page.one("#step-whose").text == "On the neighbour's phone"
    assert page.all(".steps .done") == []


def test_when_nothing_has_joined_the_hint_begins_with_joining(page: Page) -> None:
    page.town.leave(TV)
    page.until(lambda: page.one("#step-join").is_displayed())
    page.click(page.one(f'.device[data-mac="{TV}"] .join'))
    page.until(lambda: not page.one("#step-join").is_displayed())
    assert page.town.state()["devices"][0]["present"]


def test_the_keyboard_is_enough(page: Page) -> None:
    caller = page.phone()
    line = page.one(".line input", caller)
    line.send_keys("*384*35711#", Keys.ENTER)
    page.until(lambda: page.words(caller) == page.shop.menu)
    line.send_keys("1", Keys.ENTER)
    page.until(lambda: page.words(caller).startswith("Three hours"))
    line.send_keys(Keys.ESCAPE)
    page.until(lambda: page.words(caller).startswith("Press the green key"))
    assert not page.town.state()["phones"][0]["in_session"]
    page.click(page.one(".quick", caller))
    page.until(lambda: page.words(caller) == page.shop.menu)
    for _ in range(2):
        line.send_keys("1", Keys.ENTER)
        page.until(lambda: line.get_attribute("value") == "" and not page.words(caller).startswith("USSD"))
    page.until(lambda: page.prompt_is_up(caller))
    page.one(".prompt input", caller).send_keys("1234", Keys.ENTER)
    page.until(lambda: page.pill(TV) == "online")


def test_erase_takes_back_one_key(page: Page) -> None:
    caller = page.phone()
    page.press("12#", caller)
    page.click(page.one(".erase", caller))
    assert page.one(".line input", caller).get_attribute("value") == "12"


@pytest.mark.parametrize(("keys", "outcome"), [("9999", "wrong pin"), ("", "cancelled")])
def test_a_prompt_that_is_not_paid_says_why(page: Page, keys: str, outcome: str) -> None:
    caller = page.phone()
    page.reach_prompt(caller)
    if keys:
        page.press(keys, caller)
        page.call(caller)
    else:
        page.click(page.one(".cancel", caller))
    page.until(lambda: not page.prompt_is_up(caller))
    page.until(lambda: page.one("#timeline .failed").text.startswith(f"The prompt ends: {outcome}"))
    assert page.one("#toast").text == f"M-Pesa: {outcome}"
    assert page.one(".balance", caller).text == "KES 500.00"
    assert page.pill(TV) == "not let in"


def test_a_phone_texts_a_word_and_reads_the_answer(page: Page) -> None:
    neighbour = page.phone(1)
    page.click(page.one(".messages summary", neighbour))
    page.one(".text input", neighbour).send_keys("BAL", Keys.ENTER)
    page.until(lambda: page.shop.receipt in page.one(".inbox", neighbour).text)
    sent = page.town.africastalking.accounts["duka"].short_codes["24242"].inbound
    assert [(sms.msisdn, sms.text) for sms in sent] == [("+254712000002", "BAL")]


def test_somebody_pays_by_hand(page: Page) -> None:
    neighbour, visitor = page.phone(1), page.phone(2)
    page.click(page.one(".by-hand summary", neighbour))
    page.one("input[name=account]", neighbour).send_keys("W9")
    page.one("input[name=amount]", neighbour).send_keys("50", Keys.ENTER)
    page.until(lambda: page.one(".balance", neighbour).text == "KES 10.00")
    paid = page.town.daraja.payments()[-1]
    assert (paid.msisdn, paid.account, paid.amount_minor, paid.by_hand) == ("+254712000002", "W9", 5000, True)
    assert not page.one(".by-hand", visitor).is_displayed()
    assert page.one(".balance", visitor).text == "not on this network"


# ── things with Wi-Fi, switches, health ──


def test_a_device_leaves_comes_back_and_changes_its_address(page: Page) -> None:
    card = page.one(f'.device[data-mac="{TV}"]')
    page.click(page.one(".traffic", card))
    page.until(lambda: page.one("#toast").text == "Nothing went through: this device is not let in.")
    page.click(page.one(".join", card))
    page.until(lambda: page.one(".pill", card).text == "away")
    assert not page.one(".traffic", card).is_enabled()
    page.click(page.one(".join", card))
    page.until(lambda: page.one(".pill", card).text == "not let in")
    page.click(page.one(".new-mac", card))
    page.until(lambda: page.one(".mac", card).text != TV)
    assert page.one(".mac", card).text in {device["mac"] for device in page.town.state()["devices"]}


def test_a_device_that_was_let_in_uses_its_data(page: Page) -> None:
    page.shop.let_in()
    card = page.one(f'.device[data-mac="{TV}"]')
    page.until(lambda: "online" in (card.get_attribute("class") or ""))
    page.click(page.one(".traffic", card))
    page.until(lambda: page.one("#toast").text == "100 MB went through.")
    page.until(lambda: "1.90 GB left" in page.one(".left", card).text)
    table = page.one('[data-part="active"]').text
    assert TV in table and "90000000" in table


def test_another_device_can_be_brought(page: Page) -> None:
    for expected in (4, 5):
        page.click(page.one("#add-device"))
        page.until_there_are(expected, ".device")
    assert [card.text.split("\n")[0] for card in page.all(".device")][3:] == ["tablet", "tablet-2"]


def test_switches_make_trouble_and_one_button_ends_it(page: Page) -> None:
    for name in ("callbacks_lost", "mpesa_silent", "router_api_down"):
        page.click(page.switch(name))
        page.until_there_are(1, f'.switch[data-name="{name}"][aria-checked="true"]')
        assert page.town.troubles[name].is_on
    page.until(lambda: "unreachable" in page.one(".router .pill").text)
    assert "M-Pesa in trouble" in page.one("#pills").text
    page.click(page.one("#heal"))
    page.until(lambda: not page.all('.switch[aria-checked="true"]'))
    assert not any(trouble.is_on for trouble in page.town.troubles.values())
    page.until(lambda: "in trouble" not in page.one("#pills").text)


def test_ending_one_trouble_of_mpesa_leaves_the_others(page: Page) -> None:
    for name in ("mpesa_silent", "mpesa_html"):
        page.town.trouble(name, True)
    page.town.trouble("mpesa_silent", False)
    address = f"{page.town.daraja.base_url}/oauth/v1/generate"
    assert requests.get(address, timeout=5).headers["Content-Type"] == "text/html"
    page.town.trouble("mpesa_html", False)
    assert requests.get(address, timeout=5).headers["Content-Type"] == "application/json"


def test_every_switch_says_what_a_customer_would_notice(page: Page) -> None:
    page.until(lambda: len(page.all(".switch")) == len(page.town.troubles))
    assert [switch.text for switch in page.all(".switch") if "\n" not in switch.text] == []


def test_a_shop_with_a_problem_is_shown_as_shut(page: Page) -> None:
    page.until(lambda: "Shop open" in page.one("#pills").text)
    page.shop.trouble = "the database does not answer"
    page.until(lambda: "Shop: ussd the database does not answer" in page.one("#pills").text)
    assert "shut" in (page.one(".kiosk").get_attribute("class") or "")


# ── what comes from outside ──


def test_what_a_menu_or_a_message_contains_is_shown_and_never_run(page: Page) -> None:
    caller = page.phone()
    page.shop.menu = page.shop.receipt = HOSTILE
    page.click(page.one(".quick", caller))
    page.until(lambda: page.words(caller) == HOSTILE)
    page.town.text("+254712000001", "", HOSTILE)
    page.town.add_device("02:00:00:00:00:77", hostname=HOSTILE)
    page.click(page.one(".messages summary", caller))
    page.click(page.one("#log-box summary"))
    page.until(lambda: HOSTILE in page.one(".inbox", caller).text)
    page.until(lambda: HOSTILE in page.one("#log").text)
    page.until(lambda: HOSTILE.lower() in page.one("#devices").text.lower())
    assert page.browser.title == "The pretend town"
    assert page.all("main script, main img, .device img") == []


def test_the_page_lets_the_browser_load_nothing_from_elsewhere(page: Page) -> None:
    for path, kind in (("", "text/html"), ("web/town.js", "text/javascript"), ("web/town.css", "text/css")):
        answer = requests.get(page.url + path, timeout=5)
        assert answer.headers["Content-Type"].startswith(kind)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "https://" not in answer.text and "//cdn" not in answer.text
        again = requests.get(page.url + path, headers={"If-None-Match": answer.headers["ETag"]}, timeout=5)
        assert again.status_code == 304
    loaded = page.browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert loaded and all(address.startswith(page.url) for address in loaded)


def test_only_the_parts_of_the_page_are_served(page: Page) -> None:
    client = create_app(page.town).test_client()
    for path in ("/web/..%2f..%2fpage.py", "/web/nothing.js", "/web/", "/web/../town.toml", "/town.toml"):
        assert client.get(path).status_code == 404


# ── every size and light ──


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", PAGE_WIDTHS)
def test_it_fits_and_can_be_read_and_touched(page: Page, width: int, dark: bool) -> None:
    page.open(width, dark=dark)
    page.shop.let_in()
    page.until(lambda: page.pill(TV) == "online")
    for summary in page.all("details:not([open]) > summary"):
        if summary.is_displayed():
            page.click(summary)
    assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.browser.execute_script(SMALL_TARGETS) == []
    assert page.browser.execute_script(PALE_WORDS) == []
    assert page.browser.execute_script(NAMELESS) == []
    assert page.errors() == []


def test_on_a_small_screen_there_is_one_phone_at_a_time(page: Page) -> None:
    page.open(390)
    assert [phone.is_displayed() for phone in page.all(".phone")] == [True, False, False]
    page.click(page.all("#tabs button")[1])
    assert [phone.is_displayed() for phone in page.all(".phone")] == [False, True, False]


def test_a_town_that_is_gone_is_missed_and_found_again(page: Page) -> None:
    page.browser.execute_cdp_cmd("Network.enable", {})
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, **conditions})
    page.until(lambda: page.one("#lost").is_displayed())
    page.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **conditions})
    page.until(lambda: not page.one("#lost").is_displayed())
