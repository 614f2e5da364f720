"""What people type on a command line, understood: spans of time, amounts of data, speeds."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cli.failures import Failed

Model = TypeVar("Model", bound=BaseModel)

SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
KBPS = {"k": 1, "m": 1000, "g": 10**6}
DIGITS_MAX = 9


def seconds(text: str) -> int:
    """`45m`, `3h`, `1d`, `2w`, also `1d 12h` → seconds."""
    pieces = re.findall(rf"(\d{{1,{DIGITS_MAX}}})([mhdw])", text.lower())
    if not pieces or "".join(number + unit for number, unit in pieces) != re.sub(r"\s", "", text.lower()):
        raise Failed(f"{text!r} is no span of time: write 45m, 3h, 1d or 2w")
    return sum(int(number) * SECONDS[unit] for number, unit in pieces)


def data(text: str) -> int:
    """`500MB`, `1.5GB` → bytes, decimal as sold."""
    match = re.fullmatch(rf"(\d{{1,{DIGITS_MAX}}})(?:\.(\d{{1,3}}))?\s*([kmgt]b)", text.strip().lower())
    if match is None:
        raise Failed(f"{text!r} is no amount of data: write 500MB or 1.5GB")
    whole, part, unit = match.groups()
    return int(whole) * BYTES[unit] + int((part or "").ljust(3, "0")) * BYTES[unit] // 1000


def speed(text: str) -> tuple[int, int]:
    """`2M/5M` or `512k/2M` → (upload, download) in kbit/s; one number serves for both."""
    match = re.fullmatch(r"(\d{1,7})([kmg])(?:/(\d{1,7})([kmg]))?", text.strip().lower())
    if match is None:
        raise Failed(f"{text!r} is no speed: write upload/download like 2M/5M")
    up, up_unit, down, down_unit = match.groups()
    upload = int(up) * KBPS[up_unit]
    return upload, int(down) * KBPS[down_unit] if down else upload


def checked(kind: type[Model], **values: Any) -> Model:
    """Values that were given (None: not), as a model. `Failed` says which of them is wrong, and why."""
    try:
        return kind.model_validate({name: value for name, value in values.items() if value not in (None, [], ())})
    except ValidationError as error:
        said = "; ".join(
            f"--{str(fault['loc'][0]).replace('_', '-')}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise Failed(said) from error
