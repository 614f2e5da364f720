"""Trouble between us and a router: dead, slow, cut off. Never a hang, always the right failure, and well again after."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest

from core.adapters.routeros import Breaker, MikrotikHotspot, Unreachable
from core.errors import GatewayDown, GatewayRefused
from core.ports import RouterAddress
from sim.routeros.clock import ManualClock
from sim.routeros.router import VirtualRouter
from tests.adapters.router_side import (
    DONE,
    LOCAL,
    MAC_PASSWORD,
    PASSWORD,
    PATIENCE,
    RADIUS_SECRET,
    RadiusDesk,
    Seconds,
    bounded,
    scripted,
    without_certificate,
)
from tests.services import eventually, free_port

PHONE = "AA:BB:CC:00:00:01"


@pytest.fixture
def desk() -> Iterator[RadiusDesk]:
    desk = RadiusDesk()
    yield desk
    desk.close()


@pytest.fixture
def router(desk: RadiusDesk) -> Iterator[VirtualRouter]:
    with VirtualRouter(password=PASSWORD, clock=ManualClock()) as router:
        router.set_up_hotspot("127.0.0.1", desk.auth_port, desk.acct_port, RADIUS_SECRET, MAC_PASSWORD)
        yield router


@pytest.fixture
def place(router: VirtualRouter) -> RouterAddress:
    return replace(LOCAL, api_port=router.api_port)


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def hotspot(seconds: Seconds) -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(PATIENCE, monotonic=seconds, pause=lambda _seconds: None)
    yield hotspot
    hotspot.close()


@pytest.fixture
def patient(seconds: Seconds) -> Iterator[MikrotikHotspot]:
    """For tests where many wait for one: nobody loses patience on a slow machine."""
    hotspot = MikrotikHotspot(replace(PATIENCE, turn_seconds=30), monotonic=seconds)
    yield hotspot
    hotspot.close()


# ---- one kept line -----------------------------------------------------------------------------------------------------


def test_many_calls_cost_one_login(hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress) -> None:
    sessions = set()
    for _ in range(5):
        hotspot.online(place)
        sessions.add(router.api_sessions)
    assert sessions == {1}


def test_a_line_that_died_unused_is_laid_anew_without_a_word(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    hotspot.online(place)
    router.power_cut()
    with bounded():
        assert hotspot.online(place) == []
    eventually(lambda: router.api_sessions == 1)


def test_hanging_up_is_orderly_and_the_next_call_dials_again(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    hotspot.online(place)
    hotspot.close()
    eventually(lambda: router.api_sessions == 0)
    assert hotspot.online(place) == []


def test_a_changed_password_is_used_at_once(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    hotspot.online(place)
    with pytest.raises(GatewayRefused):
        hotspot.online(replace(place, password="not this"))
    assert hotspot.online(place) == []


def test_threads_take_turns_on_one_line(patient: MikrotikHotspot, router: VirtualRouter, place: RouterAddress) -> None:
    with ThreadPoolExecutor(8) as many:
        assert list(many.map(patient.online, repeat(place, 40))) == [[]] * 40
    eventually(lambda: router.api_sessions == 1)


def test_a_busy_router_is_not_a_dead_one(hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold(_path: str, _arguments: dict[str, str]) -> None:
        router.on_command.remove(hold)
        inside.set()
        go_on.wait(5)

    router.on_command.append(hold)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(hotspot.online, place)
        assert inside.wait(5)
        with bounded(), pytest.raises(GatewayDown, match="busy") as busy:
            hotspot.online(place)
        go_on.set()
        assert first.result() == []
    assert not isinstance(busy.value, Unreachable)
    assert hotspot.online(place) == [], "nobody was sent away because of it"


def test_one_dead_router_does_not_slow_another(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    with pytest.raises(GatewayDown):
        hotspot.online(replace(place, router_id=2, api_port=free_port()))
    assert hotspot.online(place) == []


def test_tls_with_the_routers_own_certificate(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    assert hotspot.online(replace(place, api_port=router.api_ssl_port, api_tls=True)) == []


def test_tls_with_a_router_that_has_no_certificate(hotspot: MikrotikHotspot, tmp_path: Path) -> None:
    with scripted([DONE], tls=without_certificate(tmp_path)) as anonymous:
        assert hotspot.online(replace(LOCAL, api_port=anonymous.port, api_tls=True)) == []


@pytest.mark.parametrize(("tls", "port"), [(True, "api_port"), (False, "api_ssl_port")])
def test_tls_and_clear_mixed_up_is_a_failure_and_not_a_hang(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, tls: bool, port: str
) -> None:
    with bounded(), pytest.raises(GatewayDown):
        hotspot.online(replace(place, api_tls=tls, api_port=getattr(router, port)))


def test_no_password_is_written_to_any_log(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    router.plug_in(PHONE)
    with pytest.raises(GatewayRefused) as refused:
        hotspot.let_in(place, PHONE)
    with pytest.raises(GatewayRefused) as wrong:
        hotspot.online(replace(place, password="another secret"))
    written = caplog.text + str(refused.value) + str(wrong.value) + repr(refused.value.__cause__)
    for secret in (PASSWORD, MAC_PASSWORD, "another secret"):
        assert secret not in written


# ---- who is refused at the door ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"username": "nobody"}, {"password": ""}])
def test_a_refused_login_is_final_and_not_an_outage(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, wrong: dict[str, str]
) -> None:
    for _ in range(2):
        with pytest.raises(GatewayRefused, match="invalid user name or password") as refused:
            hotspot.online(replace(place, **wrong))  # type: ignore[arg-type]
        assert refused.value.code == "login"
    eventually(lambda: router.api_sessions == 0)


def test_a_router_before_6_43_is_told_apart(hotspot: MikrotikHotspot) -> None:
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), version="6.42.12") as old:
        with pytest.raises(GatewayRefused, match="too old") as refused:
            hotspot.online(replace(LOCAL, api_port=old.api_port))
        assert refused.value.code == "login"


# ---- trouble a router can have -----------------------------------------------------------------------------------------


def make_unreachable(router: VirtualRouter) -> None:
    router.faults.unreachable()


def make_slow(router: VirtualRouter) -> None:
    router.faults.slow(10)


def make_mad(router: VirtualRouter) -> None:
    router.faults.talk_nonsense()


TROUBLES: list[Callable[[VirtualRouter], None]] = [make_unreachable, make_slow, make_mad]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("line_is_kept", [True, False])
def test_trouble_is_bounded_reported_and_over_when_it_is_over(
    hotspot: MikrotikHotspot,
    router: VirtualRouter,
    place: RouterAddress,
    desk: RadiusDesk,
    seconds: Seconds,
    trouble: Callable[[VirtualRouter], None],
    line_is_kept: bool,
) -> None:
    router.plug_in(PHONE)
    desk.accepted[PHONE] = {}
    if line_is_kept:
        hotspot.online(place)
    trouble(router)
    with bounded(), pytest.raises(Unreachable) as down:
        hotspot.let_in(place, PHONE)
    assert down.value.retry_after_seconds == 2
    router.faults.clear()
    seconds.advance(2)
    assert hotspot.let_in(place, PHONE) is not None


def test_a_little_slowness_is_patience(hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress) -> None:
    router.faults.slow(0.2)
    assert hotspot.online(place) == []


def test_many_slow_answers_together_are_bounded_too(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    router.faults.slow(0.4)
    with bounded(), pytest.raises(GatewayDown):
        hotspot.probe(place, router.clock.now())


class WorkerTimeLimit(BaseException):
    """What a worker throws into a job that takes too long, wherever it is."""


def test_a_job_killed_in_the_middle_leaves_no_half_read_answer_behind(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    def give_up(_number: int, _frame: object) -> None:
        raise WorkerTimeLimit

    router.plug_in(PHONE)
    hotspot.online(place)
    router.faults.slow(0.3)
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(WorkerTimeLimit):
            hotspot.waiting(place)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert hotspot.online(place) == [], "the late answer about waiting devices was taken for this one"


@pytest.mark.parametrize("commands_before", range(4))
@pytest.mark.parametrize("line_is_kept", [True, False])
def test_a_line_cut_anywhere_in_a_login_ends_with_the_device_online(
    hotspot: MikrotikHotspot,
    router: VirtualRouter,
    place: RouterAddress,
    desk: RadiusDesk,
    seconds: Seconds,
    commands_before: int,
    line_is_kept: bool,
) -> None:
    """Host, active, login, read back: whichever reply is lost, repeating is harmless and leads to the same end."""
    phone = router.plug_in(PHONE)
    desk.accepted[PHONE] = {}
    if line_is_kept:
        hotspot.online(place)
    router.faults.drop_mid_sentence(after_commands=commands_before)
    if line_is_kept and commands_before == 0:
        assert hotspot.let_in(place, PHONE) is not None, "a line that was dead before it was used is not an outage"
    else:
        with bounded(), pytest.raises(Unreachable):
            hotspot.let_in(place, PHONE)
        seconds.advance(2)
        assert hotspot.let_in(place, PHONE) is not None
    assert phone.online
    assert len(router.rows("/ip/hotspot/active")) == 1
    eventually(lambda: router.api_sessions == 1)


def test_a_router_that_forgot_everything_says_so(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted[PHONE] = {}
    router.plug_in(PHONE)
    router.faults.forget_everything()
    assert hotspot.let_in(place, PHONE) is None
    assert not hotspot.throw_out(place, PHONE)
    router.faults.forget_everything(keep_api_users=False)
    hotspot.close()
    with pytest.raises(GatewayRefused) as refused:
        hotspot.online(place)
    assert refused.value.code == "login"


def test_a_refused_write_is_never_taken_for_done(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted[PHONE] = {}
    phone = router.plug_in(PHONE)
    router.faults.refuse("/ip/hotspot/active/remove", "not enough permissions (9)")
    with pytest.raises(GatewayRefused) as refused:
        hotspot.throw_out(place, PHONE)
    assert refused.value.code == "rights"
    assert phone.online
    assert hotspot.throw_out(place, PHONE), "the line is as good as before"


# ---- leaving a dead router alone ---------------------------------------------------------------------------------------


def test_a_dead_router_is_left_alone_for_longer_and_longer(hotspot: MikrotikHotspot, seconds: Seconds) -> None:
    with scripted([None]) as dying:
        place = replace(LOCAL, api_port=dying.port)
        pauses = []
        for attempt in range(7):
            with pytest.raises(Unreachable) as down:
                hotspot.online(place)
            pauses.append(down.value.retry_after_seconds)
            assert dying.connections == attempt + 1
            seconds.advance(down.value.retry_after_seconds - 0.5)
            with pytest.raises(Unreachable) as spared:
                hotspot.let_in(place, PHONE)
            assert spared.value.retry_after_seconds == pytest.approx(0.5)
            assert dying.connections == attempt + 1, "it was asked although it should be left alone"
            seconds.advance(0.5)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("refusal", ["of the command", "of the login"])
def test_a_refusal_is_an_answer_and_ends_the_pauses(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, seconds: Seconds, refusal: str
) -> None:
    def pause() -> float:
        router.faults.unreachable()
        with pytest.raises(Unreachable) as down:
            hotspot.online(place)
        seconds.advance(down.value.retry_after_seconds)
        router.faults.clear()
        return down.value.retry_after_seconds

    assert [pause(), pause(), pause()] == [2, 4, 8]
    router.faults.refuse("/ip/hotspot/active/print", "no such command")
    with pytest.raises(GatewayRefused):
        hotspot.online(place if refusal == "of the command" else replace(place, password="wrong"))
    assert pause() == 2


def test_those_who_waited_behind_a_failing_call_are_spared_too(patient: MikrotikHotspot) -> None:
    with scripted([b""]) as silent, ThreadPoolExecutor(4) as many:
        place = replace(LOCAL, api_port=silent.port)
        for call in [many.submit(patient.online, place) for _ in range(4)]:
            with pytest.raises(Unreachable):
                call.result()
        assert silent.connections == 1


def test_a_breaker_by_itself() -> None:
    seconds = Seconds()
    breaker = Breaker(seconds)
    assert breaker.retry_after_seconds == 0
    assert [breaker.failed() for _ in range(100)][-1] == 60
    assert breaker.retry_after_seconds == 60
    seconds.advance(60)
    assert breaker.retry_after_seconds == 0
    breaker.answered()
    assert breaker.failed() == 2
