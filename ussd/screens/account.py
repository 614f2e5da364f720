"""Balance, language, help."""

from __future__ import annotations

from core import customers, ledger, subscriptions
from core.ledger import chart
from ussd.menu import Option, Show, Turn, screen
from ussd.screens.home import status
from ussd.words import LANGUAGES


@screen("balance")
def balance(turn: Turn) -> Show:
    """Time, data, money, and how to pay by hand."""
    who = turn.recognise()
    lines = [status(turn, subscriptions.left(turn.uow, who.id))]
    lines.append(turn.say("balance.money", balance=ledger.balance(turn.uow, chart.wallet(who.id), turn.shop.currency)))
    if turn.shop.paybill:
        lines.append(turn.say("balance.paybill", paybill=turn.shop.paybill, account=who.account_code))
    return Show("\n".join(lines))


@screen("language", looks=True)
def language(turn: Turn) -> Show:
    """Each language by its own name."""
    return Show(
        turn.say("language.choose"),
        tuple(Option(name, "language_set", {"language": code}) for code, name in LANGUAGES.items()),
    )


@screen("language_set")
def language_set(turn: Turn) -> Show:
    """From now on in this language, also in SMS."""
    customers.set_language(turn.uow, turn.recognise(), turn.args["language"])
    turn.language = turn.args["language"]
    return turn.go("home")


@screen("help", looks=True)
def help_(turn: Turn) -> Show:
    """Who we are and whom to call."""
    return Show(turn.say("help.text", shop=turn.shop.name, line=turn.help_line))
