"""What the proofs of the town's page stand on: a shop as small as it can be, and the page in words."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import requests
from flask import Flask, Response, request
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from sim.daraja import rules
from sim.town import Town

SECONDS_MAX = 15
HOURS_3 = "3h"
TV = "A4:77:33:10:20:01"
LETTERS = "1 Three hours 20.00\n2 One day 50.00"
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


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A headless Chromium with a profile of its own; the console is kept."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
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
    try:
        yield driver
    finally:
        driver.quit()
