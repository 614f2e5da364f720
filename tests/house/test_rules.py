"""The rules that a linter cannot say. Each is checked over the source itself, and each checker is shown to bite."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import core
from core import tasks
from core.app import CAPABILITIES
from core.roles import Can, access_of
from jobs.registry import JOBS

ROOT = Path(__file__).parents[2]
DOORS = ("ussd", "portal", "radius", "jobs", "cli")
PRODUCT = ("core", *DOORS, "sim")
MODULE_LINES_MAX, FUNCTION_LINES_MAX = 400, 60
Tree = ast.Module


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def breaches(rule: Callable[[Tree], Iterator[int]], paths: list[Path], allowed: tuple[str, ...] = ()) -> list[str]:
    """Where a rule is broken, as `file:line`, except in the allowed files."""
    return [
        f"{name_of(path)}:{line}"
        for path in paths
        if not name_of(path).startswith(allowed or ("-",))
        for line in rule(ast.parse(path.read_text("utf-8")))
    ]


def calls(tree: Tree) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def commits(tree: Tree) -> Iterator[int]:
    """`x.commit()`, and `session.begin()`, which commits when its block ends."""
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit":
            yield call.lineno
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "begin"
            and "session" in ast.unparse(call.func.value)
        ):
            yield call.lineno


def asks_the_time(tree: Tree) -> Iterator[int]:
    """`datetime.now`, `utcnow`, `today`, `time.time`."""
    for call in calls(tree):
        text = ast.unparse(call.func)
        if text in {
            "datetime.now",
            "datetime.utcnow",
            "datetime.today",
            "date.today",
            "time.time",
            "datetime.datetime.now",
        }:
            yield call.lineno


def touches_bare_tables(tree: Tree) -> Iterator[int]:
    """`Model.__table__` is not seen by the tenant filter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "__table__":
            yield node.lineno


def uses_floats(tree: Tree) -> Iterator[int]:
    """A float literal, a call of `float`, or a division of whole numbers into one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
            yield node.lineno


def broad_excepts(tree: Tree) -> Iterator[int]:
    """`except:` or `except Exception:`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
        ):
            yield node.lineno


def unfinished(tree: Tree) -> Iterator[int]:
    """`raise NotImplementedError`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplemented" in ast.unparse(node.exc):
            yield node.lineno


MONEY_AND_BUSINESS = [
    path
    for folder in ("tenants", "messaging", "customers", "catalog", "ledger", "subscriptions", "network", "payments", "purchases", "vouchers")
    for path in sources(f"core/{folder}")
] + [ROOT / "core" / name for name in ("money.py", "codes.py", "outbox.py", "inbox.py", "uow.py", "audit.py")]  # fmt: skip


def test_only_the_edge_commits() -> None:
    assert breaches(commits, sources("core", *DOORS), allowed=("core/app.py", "core/migrations/")) == []


def test_only_the_clock_knows_the_time() -> None:
    assert breaches(asks_the_time, sources("core", *DOORS), allowed=("core/clock.py",)) == []


def test_capabilities_never_go_around_the_tenant_filter() -> None:
    assert breaches(touches_bare_tables, MONEY_AND_BUSINESS) == []


def test_there_is_no_float_in_the_business() -> None:
    assert breaches(uses_floats, MONEY_AND_BUSINESS) == []


def test_one_place_owns_unexpected_failures() -> None:
    """One for promises, and one for requests that even the web framework could not answer."""
    assert breaches(broad_excepts, sources(*PRODUCT), allowed=("jobs/perform.py", "core/serving/worker.py")) == []


def test_nothing_is_left_for_later() -> None:
    assert breaches(unfinished, sources(*PRODUCT)) == []
    words = ("TO" + "DO:", "# TO" + "DO", "FIX" + "ME")
    left = [
        name_of(path)
        for path in sources(*PRODUCT, "tests", "bench")
        if any(w in path.read_text("utf-8") for w in words)
    ]
    assert left == []


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (commits, "session.commit()"),
        (commits, "with session.begin(): pass"),
        (asks_the_time, "datetime.now(UTC)"),
        (touches_bare_tables, "select(Payment.__table__)"),
        (uses_floats, "price = 0.5"),
        (broad_excepts, "try: pass\nexcept Exception: pass"),
        (unfinished, "raise NotImplementedError"),
    ],
)
def test_each_rule_bites(rule: Callable[[Tree], Iterator[int]], broken: str) -> None:
    assert list(rule(ast.parse(broken)))


def test_modules_and_functions_fit_on_screens() -> None:
    long: list[str] = []
    for path in sources(*PRODUCT, "tests", "bench"):
        if "versions" in path.parts:
            continue  # a migration says the whole schema once and is never read again
        text = path.read_text("utf-8")
        if len(text.splitlines()) > MODULE_LINES_MAX:
            long.append(f"{name_of(path)}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{name_of(path)}:{node.lineno} {node.name}: {lines} lines")
    assert "\n".join(long) == ""


def verbs(capability: ModuleType) -> Iterator[tuple[str, Callable[..., object]]]:
    """Public functions whose first parameter is the unit of work."""
    for name in capability.__all__:
        thing = getattr(capability, name)
        if callable(thing) and not isinstance(thing, type):
            inner = getattr(thing, "__wrapped__", thing)
            if inner.__code__.co_varnames[:1] == ("uow",):
                yield name, thing


def test_every_verb_says_who_may_call_it() -> None:
    silent = [f"{c.__name__}.{name}" for c in CAPABILITIES for name, verb in verbs(c) if access_of(verb) is None]
    assert silent == []


def test_permissions_are_asked_for_somewhere() -> None:
    used = {access_of(verb) for c in CAPABILITIES for _, verb in verbs(c)}
    assert {Can.SELL, Can.REFUND} >= set(Can) - used  # their verbs come with the owner's bot


def test_there_is_one_job_for_every_task() -> None:
    assert set(JOBS) == set(tasks.TASKS.values())
    assert {kind.queue for kind in tasks.TASKS.values()} == set(tasks.QUEUES)


def test_every_capability_is_known_to_the_app() -> None:
    folders = {name for _, name, is_package in pkgutil.iter_modules(core.__path__) if is_package}
    known = {capability.__name__.removeprefix("core.") for capability in CAPABILITIES}
    assert folders - known <= {"adapters", "migrations", "serving"}


def test_every_module_says_what_it_is_for() -> None:
    bare: list[str] = []
    for path in sources("core", *DOORS):
        tree = ast.parse(path.read_text("utf-8"))
        if path.name != "__init__.py" and "versions" not in path.parts and ast.get_docstring(tree) is None:
            bare.append(name_of(path))
    assert bare == []
