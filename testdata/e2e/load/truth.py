"""The oracle: what a record should be, from the sandbox's row and contract.md §4 alone.

It is the second one, next to the Go suite's, and shares no line with either that
or the tap.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from .facts import Facts
from .schema import RESCUED, Column, Stream, kind_of
from .values import Digits, Json, Value, is_number, parse, read_instant, walk

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ZERO_DATE = re.compile(r"0000-00-00([T ]00:00(:00(\.0+)?)?Z?)?")
_WALL_CLOCK = re.compile(r"/Date\((-?[0-9]+)\)/")
_UNTOLD = re.compile("[\ud800-\udfff\0]")
_EPOCH = dt.datetime(1970, 1, 1)
_FLAGS: dict[Any, bool | None] = {"0": False, 0: False, "1": True, 1: True, "": None}
INT64 = range(-(2**63), 2**63)

Record = dict[str, Value]


class Unfit(Exception):
    """A value that its type cannot hold: null, and rescued."""


class Oracle:
    """Knows the records of one stream."""

    def __init__(self, stream: Stream, facts: Facts) -> None:
        """Prepare the look-up of columns."""
        self._facts = facts
        self._known = stream.known
        self._columns = {c.name: c for c in stream.columns if c.name != RESCUED}
        self._blank: Record = {c.name: None for c in stream.columns}
        self._rescues = RESCUED in self._blank
        self._flags = facts.flags.get(stream.name, frozenset())

    def records(self, lines: Iterable[str]) -> Iterator[Record]:
        """Turn the truth's lines into the records that they should be."""
        return (self.record(parse(line)) for line in lines)

    def record(self, row: dict[str, Any]) -> Record:
        """Turn a row into a record."""
        out = dict(self._blank)
        rescued: dict[str, Any] = {}
        for name, raw in self._members(row):
            column = self._columns.get(name)
            if column is None:
                # What the catalog has and was not selected is neither emitted nor rescued.
                if name not in self._known:
                    rescued[name] = raw
                continue
            try:
                out[name] = self._value(column, raw)
            except Unfit:
                rescued[name] = raw
        if rescued and self._rescues:
            out[RESCUED] = Json(walk(rescued, _clean))
        return out

    def _members(self, row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, raw in row.items():
            if self._lifted(name, raw):
                yield from ((f"{name}_{inner}", value) for inner, value in (raw or {}).items())
            elif not self._ignored(name, raw):
                yield name, raw

    def _lifted(self, name: str, raw: Any) -> bool:
        return name in self._facts.lifted and name not in self._columns and (raw is None or isinstance(raw, dict))

    def _ignored(self, name: str, raw: Any) -> bool:
        facts = self._facts
        if name in facts.ignored or (facts.ignored_suffix and name.endswith(facts.ignored_suffix)):
            return True
        return isinstance(raw, dict) and len(raw) == 1 and not facts.ignored.isdisjoint(raw)

    def _value(self, column: Column, raw: Any) -> Value:
        if raw is None:
            return None
        match column.kind:
            case "string":
                return _text(raw)
            case "number":
                return _number(raw)
            case "integer":
                return _integer(raw)
            case "boolean":
                return self._boolean(column.name, raw)
            case "date-time":
                return self._instant(column.name, raw)
            case "date":
                return self._date(raw)
        if not _fits(column.schema, raw):
            raise Unfit
        return Json(walk(raw, _clean))

    def _boolean(self, name: str, raw: Any) -> bool | None:
        if isinstance(raw, bool):
            return raw
        if name in self._flags and isinstance(raw, (str, int)) and raw in _FLAGS:
            return _FLAGS[raw]
        if isinstance(raw, str) and _empty(raw):
            return None
        raise Unfit

    def _instant(self, name: str, raw: Any) -> dt.datetime | None:
        if not isinstance(raw, str):
            raise Unfit
        if _empty(raw):
            return None
        return _in_range(self._wall(name, raw) if self._facts.wall_clock else read_instant(raw, self._facts.zone))

    def _wall(self, name: str, raw: str) -> dt.datetime | None:
        match = _WALL_CLOCK.fullmatch(raw)
        shown = _since_epoch(int(match[1])) if match else read_instant(raw, dt.UTC)
        if shown is None:
            return None
        if name not in self._facts.instants and shown.time() == dt.time():
            return shown
        return shown - (shown.replace(tzinfo=self._facts.zone).utcoffset() or dt.timedelta())

    def _date(self, raw: Any) -> dt.date | None:
        if not isinstance(raw, str):
            raise Unfit
        if _empty(raw):
            return None
        at = read_instant(raw.removesuffix("Z"), dt.UTC)
        if at is None or at.time() != dt.time():
            raise Unfit
        return _in_range(at).date()


def _since_epoch(milliseconds: int) -> dt.datetime | None:
    try:
        return _EPOCH + dt.timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def _in_range(at: dt.datetime | None) -> dt.datetime:
    if at is None or not 1 <= at.year <= 9998:
        raise Unfit
    return at


def _empty(text: str) -> bool:
    return text == "" or _ZERO_DATE.fullmatch(text) is not None


def _clean(value: Any) -> Any:
    """U+0000 and lone surrogates are lost by rule (§4)."""
    return _UNTOLD.sub("\ufffd", value) if isinstance(value, str) else value


def _text(raw: Any) -> Value:
    if isinstance(raw, str):
        return _clean(raw)
    if isinstance(raw, (dict, list)):
        return Json(walk(raw, _clean))
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return raw.text if isinstance(raw, Digits) else str(raw)


def _number(raw: Any) -> Decimal | int | None:
    if isinstance(raw, (int, Decimal)) and not isinstance(raw, bool):
        return raw
    if not isinstance(raw, str):
        raise Unfit
    if _empty(raw):
        return None
    if not _NUMBER.fullmatch(raw):
        raise Unfit
    return Decimal(raw)


def _integer(raw: Any) -> int | None:
    number = _number(raw)
    if number is None:
        return None
    if number != int(number) or int(number) not in INT64:
        raise Unfit
    return int(number)


def _fits(schema: dict[str, Any], value: Any) -> bool:
    """Tell whether a value fits a declared object or array, its inside too."""
    types = schema["type"]
    if value is None:
        return "null" in types
    kind = kind_of(schema)
    if kind == "object":
        inner = schema.get("properties", {})
        return isinstance(value, dict) and all(_fits(inner[k], v) for k, v in value.items() if k in inner)
    if kind == "array":
        items = schema.get("items")
        return isinstance(value, list) and (items is None or all(_fits(items, v) for v in value))
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool) and value in INT64
    if kind == "number":
        return is_number(value)
    return isinstance(value, str)
