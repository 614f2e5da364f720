"""`duka demo`: a shop in a box."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli import console
from cli.console import plain
from cli.demo.play import Purchase, Story
from cli.demo.shopkeeper import open_shop, register
from cli.demo.stage import FOLDER, Stage
from cli.demo.town import Facts
from cli.failures import KNOWN, explain
from cli.shop import Shop
from core.app import open_app
from core.ports import RouterAddress


def demo(
    exit_: Annotated[bool, typer.Option("--exit", help="End after the purchase; status 0 only if it worked.")] = False,
    folder: Annotated[Path, typer.Option(help="Where it keeps its data; emptied first.")] = FOLDER,
) -> None:
    """The whole product and a pretend town on this machine, fresh each time, and one purchase played before your eyes.

    Needs no account with anybody and listens on loopback only. It stays up for playing until Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _stop_asked)
    stage, story = Stage(folder.resolve()), Story()
    try:
        stage.prepare()
        app = open_app()
        try:
            here = open_shop(app, stage)
            story.tell("an ISP is open: tables, prices, accounts with the town's companies")
            _show_must_go_on(stage, here, story, stay=not exit_)
        finally:
            app.close()
    except KeyboardInterrupt:
        console.say("\nstopped")
        raise typer.Exit(130) from None
    finally:
        stage.close()


def _show_must_go_on(stage: Stage, here: Shop, story: Story, *, stay: bool) -> None:
    stage.start()
    router = _open(stage, here, story)
    failure = _play(stage, here, router, story)
    if not stay:
        if failure:
            raise typer.Exit(1)
        return
    _keep_town_furnished(stage, here)
    _what_to_try(stage)
    stage.stay()


def _open(stage: Stage, here: Shop, story: Story) -> RouterAddress:
    """Wait for the town and the doors, and introduce them to each other."""
    with console.out.status("the town opens …"):
        stage.wait_until("the town", stage.town.is_open)
        story.tell(f"the pretend town is open: [bold]{stage.town.url}/[/]")
        router = register(here, stage)
        story.tell("addresses are registered with Africa's Talking and M-Pesa; the router asks our RADIUS")
        for name in ("ussd", "portal"):
            stage.wait_until(f"the {name} door", lambda name=name: stage.door_answers(name))  # type: ignore[misc]
        for name, words in (("radius", "radius.started"), ("relay", "relay.started"), ("worker.1", "worker.started")):
            stage.wait_until(name, lambda name=name, words=words: stage.has_said(name, words))  # type: ignore[misc]
    story.tell(f"{len(stage.processes)} processes are up")
    return router


def _play(stage: Stage, here: Shop, router: RouterAddress, story: Story) -> bool:
    """Play the purchase; whether it failed."""
    state = stage.town.state()
    purchase = Purchase(here, stage, router, story, phone=state["phones"][0], device=_first_device(stage))
    try:
        purchase.play()
    except KNOWN as error:
        console.complain(f"it did not work: {explain(error)}")
        console.hint(f"every process writes to {stage.folder / 'log'}")
        return True
    console.say()
    console.good(
        f"[bold]the device is online[/], {purchase.seconds_to_online:.2f} s after the PIN: the router and accounting both say so"
    )
    return False


def _first_device(stage: Stage) -> Facts:
    first = stage.plan["devices"][0]["mac"]
    return next(device for device in stage.town.state()["devices"] if device["mac"] == first)


def _keep_town_furnished(stage: Stage, here: Shop) -> None:
    """A town that was killed comes back as it was built: register with it again."""

    def again() -> None:
        try:
            stage.wait_until("the town", stage.town.is_open)
            register(here, stage)
            console.hint("the town was rebuilt: addresses and router are registered again")
        except KNOWN as error:
            console.complain(explain(error))

    stage.on_town_open = lambda: threading.Thread(target=again, daemon=True).start()


def _what_to_try(stage: Stage) -> None:
    duka = os.path.relpath(sys.executable).removesuffix("/python").removesuffix("/python3") + "/duka"
    folder = os.path.relpath(stage.folder)
    console.say()
    console.say(f"Play: [bold]{stage.town.url}/[/]  (phones, devices, router, switches for trouble)")
    configured = f"DUKA_CONFIG={folder}/config.toml {duka}"
    for command, words in (
        (f"kill -9 $(cat {folder}/run/worker.1.pid)", "any process may die: it comes back, nothing is lost"),
        (f"{configured} doctor", "how is everything?"),
        (f"{configured} customer show {stage.plan['phones'][0]['msisdn']}", "the customer of this demo"),
        (f"tail -f {folder}/log/*.log", "what every process says"),
    ):
        console.say(f"  {plain(command)}   [dim]# {words}[/]")
    console.say(plain("Ctrl-C stops everything."))


def _stop_asked(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM, like Ctrl-C: everything that was started must be stopped."""
    raise KeyboardInterrupt
