"""Whatever state somebody is in: only who may enter gets rows that let them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.catalog import Profile
from core.customers import Extras
from core.network.desired import KEPT, NOBODYS, Isp, Lent, desired, with_grace
from core.rates import Speed

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass
class Term:
    over_at: datetime = NOW + timedelta(hours=1)
    quota_bytes: int | None = None
    used_bytes: int = 0
    slows: bool = False
    slowed_at: datetime | None = None
    suspended_reason: str | None = None
    device_limit: int = 1
    upload_kbps: int | None = 1000
    download_kbps: int | None = 2000
    profile: Profile = field(default_factory=Profile)
    id: int = 7


@dataclass
class Holding:
    id: int
    service: str
    released_at: datetime | None = None
    added_at: datetime = NOW - timedelta(days=90)
    extras: Extras = field(default_factory=Extras)

    @property
    def user(self) -> str:
        return f"02:00:00:00:00:{self.id:02X}" if self.service == "mac" else f"home.{self.id}"

    @property
    def secret(self) -> str | None:
        return None if self.service == "mac" else "secret"


def isp(*, redirects: bool = False) -> Isp:
    return Isp(1, "", "Africa/Nairobi", 300, redirects)


terms = st.builds(
    Term,
    over_at=st.timedeltas(timedelta(days=-40), timedelta(days=40)).map(lambda delta: NOW + delta),
    quota_bytes=st.none() | st.integers(1, 100),
    used_bytes=st.integers(0, 150),
    slows=st.booleans(),
    suspended_reason=st.sampled_from([None, "operator", "data_limit"]),
    device_limit=st.integers(1, 4),
)
holdings = st.lists(
    st.builds(
        Holding, id=st.integers(1, 9), service=st.sampled_from(["mac", "ppp"]),
        released_at=st.sampled_from([None, None, NOW]),
    ),
    unique_by=lambda each: (each.service, each.id), max_size=8,
)  # fmt: skip


@given(holdings, st.none() | terms, st.booleans())
def test_without_anything_that_runs_no_rows_ever_let_anybody_in(
    held: list[Holding], last: Term | None, redirects: bool
) -> None:
    before = {} if last is None else {"mac": last, "ppp": last}
    for access in desired(held, {}, before, isp(redirects=redirects), language="en", now=NOW):
        assert not access.allowed
        if access.kept:
            assert access.expires_at is not None
            used_up = access.metered and last is not None and last.used_bytes >= (last.quota_bytes or 0)
            assert access.blocked or access.expires_at <= NOW or used_up
            assert access.rate is None
            assert access.replies == ()


@given(holdings, terms)
def test_never_more_than_were_sold_may_be_on_at_once(held: list[Holding], term: Term) -> None:
    accesses = desired(held, {"mac": term, "ppp": term}, {}, isp(), language="en", now=NOW)
    inside = [(who, access) for who, access in zip(held, accesses, strict=True) if access.allowed]
    devices = [who for who, _ in inside if who.service == "mac"]
    sessions = [access.sessions or 0 for who, access in inside if who.service == "ppp"]
    assert len(devices) <= term.device_limit
    logins = [who for who in held if who.service == "ppp" and who.released_at is None]
    assert sum(sessions) == (term.device_limit if logins else 0)
    assert all(count >= 1 for count in sessions)
    assert not [who for who, _ in inside if who.released_at is not None]


def reason(last: Term, *, redirects: bool = False) -> tuple[bool, str, str]:
    (access,) = desired([Holding(1, "mac")], {}, {"mac": last}, isp(redirects=redirects), language="en", now=NOW)
    return access.kept, access.reason, access.blocked


def test_the_rows_say_why() -> None:
    assert reason(Term(over_at=NOW)) == (True, "over", "")
    assert reason(Term(over_at=NOW - KEPT)) == (False, "nothing running", "")
    assert reason(Term(over_at=NOW - KEPT), redirects=True) == (True, "over", "")
    assert reason(Term(suspended_reason="operator")) == (True, "suspended", "suspended")
    assert reason(Term(suspended_reason="operator", over_at=NOW)) == (True, "over", "")
    assert reason(Term(quota_bytes=5, used_bytes=5, suspended_reason="data_limit")) == (True, "used up", "")
    assert reason(Term(quota_bytes=5, used_bytes=5, suspended_reason="operator")) == (True, "suspended", "suspended")
    assert reason(Term(quota_bytes=5, used_bytes=4, suspended_reason="data_limit")) == (True, "suspended", "suspended")


def test_slowed_down_there_is_neither_burst_nor_guarantee() -> None:
    profile = Profile(slow=Speed(64, 128), guaranteed=Speed(500, 500), priority=2)
    term = Term(quota_bytes=5, used_bytes=5, slows=True, slowed_at=NOW, profile=profile)
    (access,) = desired([Holding(1, "mac")], {"mac": term}, {}, isp(), language="en", now=NOW)
    assert access.rate == "64k/128k 64k/128k 64k/128k 1/1 2"
    assert not access.metered


@given(last=st.none() | terms, redirects=st.booleans())
def test_minutes_to_pay_in_are_for_whoever_is_out_but_not_by_hand(last: Term | None, redirects: bool) -> None:
    before = {"mac": last} if last is not None else {}
    (out,) = desired([Holding(1, "mac")], {}, before, isp(redirects=redirects), language="sw", now=NOW)
    lent = Lent(NOW + timedelta(minutes=8), 512)
    found = with_grace(out, lent, isp(redirects=redirects), language="sw")
    assert with_grace(out, None, isp(redirects=redirects), language="sw") == out
    if out.blocked:
        assert found == out
        return
    assert (found.allowed, found.expires_at, found.rate) == (True, lent.ends_at, "512k/512k")
    assert (found.subscription_id, found.metered, found.redirects, found.language) == (NOBODYS, False, False, "sw")


def test_minutes_to_pay_in_take_nothing_from_what_was_paid_for() -> None:
    (inside,) = desired([Holding(1, "mac")], {"mac": Term()}, {}, isp(), language="en", now=NOW)
    assert with_grace(inside, Lent(NOW + timedelta(minutes=8), 512), isp(), language="en") == inside
