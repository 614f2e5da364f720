"""The first screen: about the caller, or the price list; and the way back into a conversation that was cut off."""

from __future__ import annotations

from core import customers, dialogs, purchases, subscriptions
from core.texts import duration, volume
from ussd.menu import FIRST_SCREEN, Memory, Option, Show, Turn, screen
from ussd.screens.buy import price_list
from ussd.shop import Offer
from ussd.words import LANGUAGES, when


@screen("home", looks=True)
def home(turn: Turn) -> Show:
    """Known customers see what they have and renew with one key; everybody else sees the prices at once."""
    if turn.customer_id is None:
        known = customers.glimpse(turn.uow, turn.msisdn)
        if known is not None:
            turn.customer_id, turn.language = known
    if turn.resumable:
        turn.resumable = False
        dropped = dialogs.unfinished(turn.uow, turn.msisdn, turn.session_id)
        if dropped is not None and _is_somewhere(dropped):
            return _resume(turn, dropped)
    if turn.customer_id is not None:
        has = subscriptions.left(turn.uow, turn.customer_id)
        last = purchases.last_package(turn.uow, turn.customer_id)
        if has.ends_at is not None or last is not None:
            renew = turn.shop.offer(last) if last is not None else None
            return _known(turn, has, renew)
    return price_list(turn, turn.say("home.new", shop=turn.shop.name), _others(turn))


def _known(turn: Turn, has: subscriptions.Left, renew: Offer | None) -> Show:
    options = [Option(turn.say("home.packages"), "packages"), *_others(turn)]
    if renew is not None:
        label = turn.say("home.renew", package=renew.name, price=renew.price)
        options.insert(0, Option(label, "renew", {"package": renew.package_id, "shown": renew.price.minor}))
    return Show(f"{turn.shop.short_name}\n{status(turn, has)}", tuple(options))


def status(turn: Turn, has: subscriptions.Left) -> str:
    """What the caller still has, in a line."""
    if has.ends_at is None:
        return turn.say("home.nothing")
    until = when(has.ends_at, turn.shop.zone)
    if has.bytes is None:
        return turn.say("home.time_left", time=duration(has.seconds), until=until)
    return turn.say("home.time_data_left", time=duration(has.seconds), data=volume(has.bytes), until=until)


def _others(turn: Turn) -> list[Option]:
    return [
        Option(turn.say("home.devices"), "devices"),
        Option(turn.say("home.voucher"), "voucher"),
        Option(turn.say("home.balance"), "balance"),
        Option(turn.say("home.language"), "language"),
        Option(turn.say("home.help"), "help"),
    ]


def _is_somewhere(dropped: dialogs.Conversation) -> bool:
    """Had they got beyond what everybody sees first?"""
    kept = dropped.memory
    return bool(kept) and (kept["screen"] != FIRST_SCREEN or kept["offset"] > 0)


def _resume(turn: Turn, dropped: dialogs.Conversation) -> Show:
    """Two choices; the screen counts as the first one, so that nothing leads back to it."""
    language = str(dropped.memory.get("language"))
    if language in LANGUAGES and turn.customer_id is None:
        turn.language = language
    return Show(
        turn.say("resume.question", shop=turn.shop.name),
        (
            Option(turn.say("resume.continue"), "resume_continue"),
            Option(turn.say("resume.anew"), "resume_anew"),
        ),
        screen=FIRST_SCREEN,
    )


@screen("resume_continue")
def resume_continue(turn: Turn) -> Show:
    """Where it was cut off, exactly as it was shown then."""
    dropped = dialogs.unfinished(turn.uow, turn.msisdn, turn.session_id)
    if dropped is None or not dropped.memory:
        return turn.go(FIRST_SCREEN)
    dialogs.drop_unfinished(turn.uow, turn.msisdn, turn.session_id, "resumed")
    kept = Memory.load(dropped.memory)
    turn.trail[:], turn.offset = kept.trail, kept.offset
    return kept.show


@screen("resume_anew")
def resume_anew(turn: Turn) -> Show:
    """From the beginning; the old conversation is not offered again."""
    dialogs.drop_unfinished(turn.uow, turn.msisdn, turn.session_id, "abandoned")
    return turn.go(FIRST_SCREEN)
