"""JSON and typed values without loss: numbers keep their digits, instants their zone."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


class Digits(Decimal):
    """A number with a fraction or exponent, and the text it had."""

    text: str

    def __new__(cls, text: str) -> Digits:
        """Make the number of a JSON literal."""
        number = super().__new__(cls, text)
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class Json:
    """A value that is an object or an array, or a JSON text of one."""

    value: Any


# What a column may hold: None, bool, int, Decimal, str, date, naive datetime in UTC, Json.
Value = Any


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(parse_float=Digits, parse_constant=_no_constant).decode


def parse(text: str) -> Any:
    """Read JSON; floats become Digits, whole numbers int."""
    return _decode(text)


def is_number(value: Any) -> bool:
    """Tell numbers from booleans, which Python counts among them."""
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def same_json(a: Any, b: Any) -> bool:
    """Compare by meaning: 1.50 is 1.5, but true is not 1. The order of members does not count."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same_json(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same_json, a, b))
    if is_number(a):
        return is_number(b) and a == b
    return type(a) is type(b) and a == b


def same(a: Value, b: Value) -> bool:
    """Compare two typed values."""
    if isinstance(a, Json):
        return isinstance(b, Json) and same_json(a.value, b.value)
    return same_json(a, b)


def walk(value: Any, change: Callable[[Any], Any]) -> Any:
    """Apply a change to every scalar of a JSON value."""
    if isinstance(value, dict):
        return {k: walk(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [walk(v, change) for v in value]
    return change(value)


_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)


def read_instant(text: str, zone: dt.tzinfo) -> dt.datetime | None:
    """Read an instant as a naive one in UTC; None where it is none.

    A text without a zone is the wall clock of zone. A reading that comes twice
    is taken as summer time (contract.md §4): that is fold=0. Digits beyond
    microseconds are cut.
    """
    match = _INSTANT.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        shown = dt.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros)
        return shown - _offset(offset, shown, zone)
    except (ValueError, OverflowError):
        return None


def _offset(text: str | None, shown: dt.datetime, zone: dt.tzinfo) -> dt.timedelta:
    if text is None:
        return shown.replace(tzinfo=zone).utcoffset() or dt.timedelta()
    if text == "Z":
        return dt.timedelta()
    digits = text[1:].replace(":", "").ljust(4, "0")
    size = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if text[0] == "-" else size


def shown(value: Value) -> str:
    """Write a value for a report."""
    if isinstance(value, Json):
        value = value.value
    text = repr(value) if not isinstance(value, (dict, list)) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."
