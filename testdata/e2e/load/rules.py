"""What loaders are known to change (singer.md §1.8, rows "s"), each as a prediction.

A rule says what a loader makes of a value. A difference is excused only where
the loader has exactly that; nothing is excused by its place or its size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .schema import Column
from .values import Digits, Json, Value, is_number, same, walk


@dataclass(frozen=True)
class Rule:
    """One habit of a loader: its name for the report, and what it makes of a value."""

    name: str
    makes: Callable[[Column, Value], Value]


def excuse(rules: Sequence[Rule], column: Column, expected: Value, found: Value) -> str | None:
    """Return the name of the rule, or of the rules together, that explain what was found."""
    for rule in rules:
        if same(rule.makes(column, expected), found):
            return rule.name
    value = expected
    names: list[str] = []
    for rule in rules:
        made = rule.makes(column, value)
        if not same(made, value):
            value, names = made, [*names, rule.name]
    return " and ".join(names) if len(names) > 1 and same(value, found) else None


def _as_double(_: Column, value: Value) -> Value:
    if isinstance(value, Json):
        return value
    return Digits(repr(float(value))) if is_number(value) else value


def _empty_is_null(_: Column, value: Value) -> Value:
    return None if value == "" else value


_CONTROL = re.compile(r"[\x00-\x1f]")


def _escaped(_: Column, value: Value) -> Value:
    if not isinstance(value, str):
        return value
    return _CONTROL.sub(lambda m: json.dumps(m[0])[1:-1], value)


def _literal(column: Column, value: Value) -> Value:
    if not isinstance(value, Json) or not column.nested:
        return value
    return str(walk(value.value, lambda v: Decimal(v.text) if isinstance(v, Digits) else v))


DOUBLE = Rule("number kept as a double", _as_double)
EMPTY_IS_NULL = Rule("empty text is null", _empty_is_null)
ESCAPED = Rule("control characters kept as JSON escapes", _escaped)
LITERAL = Rule("object or array written as a Python literal", _literal)
