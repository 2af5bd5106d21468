"""Holds the rows that a loader stored against the records that the truth says."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .facts import FACTS
from .loaders import Loader, Row
from .rules import excuse
from .schema import RESCUED, Column, Stream
from .truth import Record
from .values import Json, Value, parse, same, shown
from .wanted import Key, Wanted

EXAMPLES = 5
# Excused by what the service does and documents, whatever the loader.
CUT = "the service cuts rich text in its lists"
STAMP = "the tap tells the day of the last action, which rows of the service do not show"
UNTOLD = "the service tells no new replication value for this change, so no increment has it"
UNLISTED = "a member that the service sends and the truth does not list is rescued"
CLOCK = "the service tells its clock"
# Excused by a habit of one loader, see Loader.loses_first.
HEADER = "the first row of a batch is taken for a header, and lost"


@dataclass
class Tally:
    """What came of one loader and source."""

    rows: int = 0
    values: int = 0
    excused: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    examples: list[str] = field(default_factory=list)
    seconds: float = 0

    def fail(self, text: str) -> None:
        """Count a finding; the first ones are kept."""
        self.failed += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(text)

    def add(self, other: Tally) -> None:
        """Add what came of a part."""
        self.rows += other.rows
        self.values += other.values
        self.excused += other.excused
        self.failed += other.failed
        self.examples = (self.examples + other.examples)[:EXAMPLES]
        self.seconds += other.seconds


class Comparison:
    """Compares one table."""

    def __init__(
        self,
        loader: Loader,
        source: str,
        stream: Stream,
        want: Wanted,
        firsts: list[dict[str, Any]],
    ) -> None:
        """Prepare the look-up of columns; firsts are the first records of the loads so far."""
        self.tally = Tally()
        self._loader = loader
        self._source, self._stream = source, stream
        self._at = f"{source}.{stream.name}"
        self._key = [next(c for c in stream.columns if c.name == k) for k in stream.key]
        self._columns = [(c, loader.column(c.name)) for c in stream.columns]
        self._names = {name for _, name in self._columns}
        self._facts, self._want = FACTS[source], want
        self._days = _days(self._facts.zone)
        # JSON's own types are fit for any loader's way of reading.
        self._lost = {
            tuple(Loader.value(loader, c, r[c.name]) for c in self._key) for r in firsts if loader.loses_first
        }

    def run(self, written: int) -> Tally:
        """Compare all rows; written is how many records the loader was given so far."""
        tally, n = self.tally, 0
        found: dict[Key, Row] = {}
        for row in self._loader.rows(self._source, self._stream.name):
            n += 1
            found[tuple(self._loader.value(c, row.get(self._loader.column(c.name))) for c in self._key)] = row
        tally.rows += len(found)
        # Which keys there must be is told below; so this finds what came twice, or was left out.
        should = written if self._loader.appends else len(found)
        if n != should:
            tally.fail(f"{self._at}: {n} rows, should be {should}")
        for key, record in self._want.records.items():
            if key in found:
                self._row(key, found.pop(key), record)
            elif key in self._lost:
                tally.excused[HEADER] += 1
            elif key not in self._want.passing:
                tally.fail(f"{self._at} key {_told(key)}: no such row")
        for key, row in found.items():
            if key in self._want.passing and key in self._want.before:
                self._row(key, row, self._want.before[key])
            else:
                tally.fail(f"{self._at} key {_told(key)}: the truth has no such row")
        return tally

    def _row(self, key: Key, row: Row, record: Record) -> None:
        # Columns with this prefix are the loaders' own (singer.md §1.7).
        if odd := [n for n in row.keys() ^ self._names if not n.startswith("_sdc_")]:
            self.tally.fail(f"{self._at} key {_told(key)}: column {odd[0]} is missing, or should not be there")
        self.tally.values += len(self._columns)
        for column, name in self._columns:
            raw, expected = row.get(name), record[column.name]
            if raw is expected or (type(raw) is type(expected) and raw == expected):
                continue  # most values, without a closer look
            found = self._loader.value(column, raw)
            if isinstance(expected, Json) and column.kind == "string":
                found = _json_text(found)
            if not same(expected, found):
                self._differs(key, column, expected, found)

    def _differs(self, key: Key, column: Column, expected: Value, found: Value) -> None:
        name = excuse(self._loader.rules, column, expected, found) or self._excuse(key, column, expected, found)
        if name:
            self.tally.excused[name] += 1
            return
        self.tally.fail(
            f"{self._at} key {_told(key)} column {column.name}: expected {shown(expected)}, found {shown(found)}"
        )

    def _excuse(self, key: Key, column: Column, expected: Value, found: Value) -> str | None:
        """Return what of the service, and not of the loader, explains the difference."""
        name, facts = self._stream.name, self._facts
        if column.name == facts.stamped.get(name) and found in self._days:
            return STAMP
        if key in self._want.before and _between(self._want.before[key][column.name], found, expected):
            return CLOCK
        if facts.cut and isinstance(expected, str) and self._is(column, expected[: facts.cut], found):
            return CUT
        if column.name == RESCUED and name.startswith(facts.unlisted) and self._unlisted(expected, found):
            return UNLISTED
        if key in self._want.earlier and self._is(column, self._want.earlier[key][column.name], found):
            if self._untold(key, column):
                return UNTOLD
            if key in self._lost:
                return HEADER
        return None

    def _is(self, column: Column, value: Value, found: Value) -> bool:
        if isinstance(value, Json) and column.kind == "string":
            found = _json_text(found)
        return same(value, found) or excuse(self._loader.rules, column, value, found) is not None

    def _untold(self, key: Key, column: Column) -> bool:
        cursor = self._stream.cursor
        if cursor is None:
            return False
        if repeated := self._facts.repeated.get(self._stream.name):
            return column.name.startswith(repeated)
        return same(self._want.earlier[key][cursor], self._want.records[key][cursor])

    def _unlisted(self, expected: Value, found: Value) -> bool:
        found = _json_text(found)
        if not isinstance(found, Json):
            return False
        known = expected.value if isinstance(expected, Json) else {}
        rest = {k: v for k, v in found.value.items() if k in known}
        return same(Json(known), Json(rest)) and not any(k == c.name for k in found.value for c in self._stream.columns)


def _days(zone: dt.tzinfo) -> tuple[dt.date, dt.date]:
    """Return the local days on which this run can have asked, for it takes less than a day."""
    today = dt.datetime.now(zone).date()
    return today, today - dt.timedelta(days=1)


def _between(first: Value, found: Value, last: Value) -> bool:
    if not type(first) is type(found) is type(last):
        return False
    return isinstance(found, (str, dt.datetime)) and first <= found <= last


def _told(key: Key) -> str:
    return "|".join(str(part) for part in key)


def _json_text(found: Value) -> Value:
    if not isinstance(found, str):
        return found
    try:
        value = parse(found)
    except ValueError:
        return found
    return Json(value) if isinstance(value, (dict, list)) else found
