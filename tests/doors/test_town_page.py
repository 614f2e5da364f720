"""The town's page in a real browser: what a newcomer clicks in the first minute, and what a hostile menu cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from sim.__main__ import create_app, serve
from sim.town import Town
from sim.town_plan import load
from tests.doors.town_page_kit import NAMELESS, PALE_WORDS, SMALL_TARGETS, TV, LittleShop, Page, chromium
from tests.town import web_server

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
PAGE_WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests here."""
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


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
