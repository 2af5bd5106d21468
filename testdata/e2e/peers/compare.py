"""How a value of a peer differs from ours, by rule.

A rule says why the two may differ and which of them is the service's own. What
no rule explains is a finding. Ours is held against the sandbox's truth by the
conformance suite and by the loaders' test; here it is the measure.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rig.sandbox import Row, parse

DROPPED = "member its schema does not know: dropped; ours has it"
RESCUED = "value or member no schema knows: dropped; ours keeps it in _rescued_data"
INSTANT = "the same instant in another notation"
EMPTY = 'empty text: its null, ours ""'
DOUBLE = "number rounded to a double; ours has the digits"
DIGITS = "the same number with fewer or more digits (9.340 and 9.34); ours as sent"
TEXT = "number for text, or text for a number"
JSON = "structure that ours writes as JSON text"
DAY = "plain date made a date-time; ours stays a date"
FALSE = "null made false"
HOUR = "wall clock of the site (Amsterdam) told as UTC: one or two hours late"
PYTHON = "structure made the text of a Python value ({'name': …}), no JSON any more"
UNKNOWN = "no rule"

ABSENT = object()
SITE = ZoneInfo("Europe/Amsterdam")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def records(ours: Row, theirs: Row, skip: set[str]) -> Iterator[tuple[str, str, Any, Any]]:
    """Each difference of two records: rule, member, our value, their value."""
    rescued = parse(ours["_rescued_data"]) if ours.get("_rescued_data") else {}
    for name in sorted((set(ours) | set(theirs) | set(rescued)) - {"_rescued_data"} - skip):
        left, right = ours.get(name, ABSENT), theirs.get(name, ABSENT)
        if name in rescued:
            if rescued[name] is not None and (right is ABSENT or right != rescued[name]):
                yield RESCUED, name, rescued[name], None if right is ABSENT else right
            continue
        yield from values(left, right, name)


def values(ours: Any, theirs: Any, path: str) -> Iterator[tuple[str, str, Any, Any]]:
    """Each difference of two values, structures member by member."""
    if theirs is ABSENT:
        if ours is not None:  # nothing is lost that is null
            yield DROPPED, path, ours, None
        return
    if ours is ABSENT:
        if theirs is not None:
            yield UNKNOWN, path, None, theirs
        return
    if isinstance(theirs, (dict, list)) and isinstance(ours, str):
        yield JSON, path, ours, theirs
        ours = parse(ours)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(set(ours) | set(theirs)):
            yield from values(ours.get(name, ABSENT), theirs.get(name, ABSENT), f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for left, right in zip(ours, theirs, strict=True):
            yield from values(left, right, f"{path}[]")
    elif json.dumps(ours, default=str) != json.dumps(theirs, default=str):
        yield rule(ours, theirs), path, ours, theirs


def rule(ours: Any, theirs: Any) -> str:
    """Why two values of different kinds, or two scalars, differ."""
    if ours == "" and theirs is None:
        return EMPTY
    if isinstance(theirs, str) and theirs[:1] in ("{", "["):
        structure = parse(ours) if isinstance(ours, str) else ours
        return PYTHON if literal(theirs) == json.loads(json.dumps(structure, default=float)) else UNKNOWN
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return FALSE if ours is None and theirs is False else UNKNOWN
    if is_number(ours) and is_number(theirs):
        if Decimal(ours) == Decimal(theirs):
            return DIGITS
        return DOUBLE if float(ours) == float(theirs) else UNKNOWN
    if isinstance(ours, str) and isinstance(theirs, str):
        if DATE.fullmatch(ours) and theirs.startswith(f"{ours}T00:00:00"):
            return DAY
        return moments(instant(ours), instant(theirs))
    if is_number(ours) != is_number(theirs) and None not in (ours, theirs):
        return TEXT if as_number(ours) == as_number(theirs) is not None else UNKNOWN
    return UNKNOWN


def moments(ours: datetime | None, theirs: datetime | None) -> str:
    """Why two texts differ that may be instants."""
    if ours is None or theirs is None:
        return UNKNOWN
    if ours == theirs:
        return INSTANT
    return HOUR if ours.astimezone(SITE).replace(tzinfo=UTC) == theirs else UNKNOWN


def is_number(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def as_number(value: Any) -> Decimal | None:
    try:
        return Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        return None


def literal(text: str) -> Any:
    """The value of a Python literal, None if the text is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def instant(value: str) -> datetime | None:
    """An RFC 3339 instant, None if it is none."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
