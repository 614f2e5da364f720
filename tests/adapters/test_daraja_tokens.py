"""Tokens of Daraja: fetched once for many workers, renewed in time, replaced once when somebody else killed them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.adapters.payments.daraja import Daraja
from core.adapters.tokens import LocalTokens
from core.errors import GatewayDown, GatewayRefused
from tests.adapters.daraja_kit import CALLER, PUSH, TOKEN, Town, town

__all__ = ["town"]


def test_one_token_serves_many_calls_and_several_adapters(town: Town) -> None:
    prompted = town.gateway.prompt(town.prompt())
    for gateway in (town.gateway, town.adapter(), town.adapter()):
        gateway.status(prompted.request_id)
    assert len(town.calls(TOKEN)) == 1


@pytest.mark.parametrize(("told", "kept"), [("3599", 2999), (3599, 2999), ("60", 50), ("7200", 3000), (None, 2999)])
def test_a_token_is_renewed_well_before_it_expires(told: object, kept: int, town: Town) -> None:
    ttls: list[int] = []

    class Remembering(LocalTokens):
        def put(self, name: str, token: str, ttl_seconds: int) -> None:
            ttls.append(ttl_seconds)
            super().put(name, token, ttl_seconds)

    town.tokens = Remembering()
    town.company.answer_with(200, json.dumps({"access_token": "abc", "expires_in": told}), path=TOKEN)
    town.adapter().ping()
    assert ttls == [kept]


@pytest.mark.parametrize("token", ["", None, True, "with space", "with\r\nnewline", "\u2026", ["abc"]])
def test_a_token_that_is_none_is_not_used(token: object, town: Town) -> None:
    town.company.answer_with(200, json.dumps({"access_token": token, "expires_in": 3599}), path=TOKEN)
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())
    assert not town.calls(PUSH)


def test_a_token_that_somebody_else_invalidated_is_replaced_once(town: Town) -> None:
    town.gateway.ping()
    town.company.forget_tokens()
    assert town.gateway.prompt(town.prompt()).request_id
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


@pytest.mark.parametrize("code", ["400.003.01", "401.002.01", "404.001.03"])
def test_each_code_for_a_dead_token_leads_to_a_new_one(code: str, town: Town) -> None:
    town.company.fail_next(code, "Invalid Access Token", path=PUSH)
    assert town.gateway.prompt(town.prompt()).request_id
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


def test_when_even_new_tokens_are_refused_we_stop_after_one_repeat(town: Town) -> None:
    town.company.fail_next("404.001.03", "Invalid Access Token", times=9, path=PUSH)
    with pytest.raises(GatewayDown, match="another system"):
        town.gateway.prompt(town.prompt())
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


class Overtaken(LocalTokens):
    """A store in which, the first time somebody waits for the lock, another process gets a new token before him."""

    overtaker: Daraja | None = None

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        overtaker, self.overtaker = self.overtaker, None
        if overtaker is not None:
            overtaker.ping()
        with super().lock(name):
            yield


def test_a_token_that_another_process_renewed_is_taken_over_not_fetched_again(town: Town) -> None:
    town.tokens = store = Overtaken()
    gateway = town.adapter()
    gateway.ping()
    town.company.forget_tokens()
    store.overtaker = town.adapter()
    assert gateway.prompt(town.prompt()).request_id
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


def test_many_workers_without_a_token_fetch_only_one(town: Town) -> None:
    gateways = [town.adapter() for _ in range(8)]
    found: list[object] = []

    def ask(gateway: Daraja) -> None:
        try:
            gateway.status("ws_CO_nobody")
        except GatewayRefused as refused:
            found.append(refused.code)

    threads = [threading.Thread(target=ask, args=(gateway,)) for gateway in gateways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(town.calls(TOKEN)), found) == (1, ["configuration"] * 8)


def test_ping_proves_the_keys_and_leaves_a_good_token_behind(town: Town) -> None:
    town.gateway.prompt(town.prompt())
    town.gateway.ping()
    assert town.gateway.status(town.company.prompts_for(CALLER)[0].checkout_request_id)
    assert len(town.calls(TOKEN)) == 2
