"""The commands of the script language itself: conditions, loops, and work on values."""

from __future__ import annotations

from collections.abc import Callable

from sim.routeros import script_values as values
from sim.routeros.script import STOPPED, Handler, Returned, Scope, Script
from sim.routeros.script_tree import Builtin, ScriptError
from sim.routeros.script_values import Value
from sim.routeros.values import parse_duration_ms


def _condition(script: Script, one: Builtin, scope: Scope) -> Value:
    if values.to_bool(script.argument(one, scope, 0, "condition")):
        return script.code(script.argument(one, scope, 1, "do"), scope)
    return script.code(script.argument(one, scope, 2, "else"), scope)


def _do(script: Script, one: Builtin, scope: Scope) -> Value:
    block = script.argument(one, scope, 0, "command")
    try:
        answer = script.code(block, scope)
        while "while" in one.named and values.to_bool(script.argument(one, scope, 9, "while")):
            script.turn()
            answer = script.code(block, scope)
        return answer
    except ScriptError as error:
        if error.is_syntax or "on-error" not in one.named or error.message == STOPPED:
            raise
        return script.code(script.argument(one, scope, 9, "on-error"), scope)


def _while(script: Script, one: Builtin, scope: Scope) -> Value:
    while values.to_bool(script.argument(one, scope, 0, "condition")):
        script.turn()
        script.code(script.argument(one, scope, 1, "do"), scope)


def _foreach(script: Script, one: Builtin, scope: Scope) -> Value:
    names = values.to_text(script.argument(one, scope, 0, "counter")).split(",")
    over = script.argument(one, scope, 9, "in")
    if isinstance(over, dict):
        pairs = list(over.items())
    else:
        pairs = list(enumerate(over if isinstance(over, list) else [] if over in (None, "") else [over]))
    for key, value in pairs:
        inner = Scope({names[-1]: value, **({names[0]: key} if len(names) > 1 else {})}, scope)
        script.code(script.argument(one, inner, 9, "do"), inner)


def _for(script: Script, one: Builtin, scope: Scope) -> Value:
    first, last = (values.to_number(script.argument(one, scope, 9, name)) for name in ("from", "to"))
    given = script.argument(one, scope, 9, "step")
    step = values.to_number(given) if given is not None else (1 if last >= first else -1)
    if step == 0:
        raise ScriptError("step is zero")
    name = values.to_text(script.argument(one, scope, 0, "counter"))
    for count in range(first, last + (1 if step > 0 else -1), step):
        script.turn()
        inner = Scope({name: count}, scope)
        script.code(script.argument(one, inner, 9, "do"), inner)


def _put(script: Script, one: Builtin, scope: Scope) -> Value:
    script.output.append(values.to_text(script.argument(one, scope, 0, "message")))


def _log(script: Script, one: Builtin, scope: Scope) -> Value:
    topic = values.to_text(script.argument(one, scope, 0, "topics"))
    if topic not in ("info", "warning", "error", "debug"):
        raise ScriptError(f"bad command name {topic} {one.place}", is_syntax=True)
    script.log(topic, values.to_text(script.argument(one, scope, 1, "message")))


def _delay(script: Script, one: Builtin, scope: Scope) -> Value:
    text = values.to_text(script.argument(one, scope, 0, "delay-time"))
    try:
        script.pause(parse_duration_ms(text) / 1000)
    except ValueError as error:
        raise ScriptError("invalid value for argument delay-time") from error


def _error(script: Script, one: Builtin, scope: Scope) -> Value:
    raise ScriptError(values.to_text(script.argument(one, scope, 0, "message")))


def _return(script: Script, one: Builtin, scope: Scope) -> Value:
    raise Returned(script.argument(one, scope, 0, "value"))


def _execute(script: Script, one: Builtin, scope: Scope) -> Value:
    text = script.argument(one, scope, 0, "script")
    file = script.argument(one, scope, 1, "file")
    arguments = {"script": text if isinstance(text, str) else values.to_text(text)}
    if file is not None:
        arguments["file"] = values.to_text(file)
    return script.ask("/execute", arguments)[0]


def _list_of(value: Value) -> Value:
    if isinstance(value, (list, dict)):
        return value
    return [values.of_word(part) for part in values.to_text(value).split(",")] if value not in (None, "") else []


def _of_one(work: Callable[[Value], Value]) -> Handler:
    return lambda script, one, scope: work(script.argument(one, scope, 0, "value"))


def _tonum(value: Value) -> Value:
    try:
        return values.to_number(value)
    except ScriptError:
        return None


LANGUAGE: dict[str, Handler] = {
    "local": Script.declare,
    "global": Script.declare,
    "set": Script.declare,
    "if": _condition,
    "do": _do,
    "while": _while,
    "foreach": _foreach,
    "for": _for,
    "put": _put,
    "log": _log,
    "delay": _delay,
    "error": _error,
    "return": _return,
    "execute": _execute,
    "nothing": lambda _script, _one, _scope: None,
    "len": _of_one(values.length_of),
    "typeof": _of_one(values.type_of),
    "tostr": _of_one(values.to_text),
    "tonum": _of_one(_tonum),
    "tobool": _of_one(values.to_bool),
    "toarray": _of_one(_list_of),
    "parse": lambda script, one, scope: script.parsed(values.to_text(script.argument(one, scope, 0, "value"))),
    "pick": lambda script, one, scope: values.pick(*(script.argument(one, scope, at) for at in range(3))),
    "find": lambda script, one, scope: values.find(*(script.argument(one, scope, at) for at in range(3))),
}
