"""Streams as the tap's SCHEMA messages and its catalog tell them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESCUED = "_rescued_data"
_RECORD = '{"type":"RECORD","stream":"'


@dataclass(frozen=True, slots=True)
class Column:
    """One property. Kind is string, number, integer, boolean, date-time, date, object or array."""

    name: str
    kind: str
    schema: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, name: str, schema: dict[str, Any]) -> Column:
        """Read a property; the profile allows one type besides null."""
        return cls(name, kind_of(schema), schema)

    @property
    def nested(self) -> bool:
        """Tell objects and arrays."""
        return self.kind in ("object", "array")


def kind_of(schema: dict[str, Any]) -> str:
    """Return the type of a property, or its format where that says more."""
    types = schema["type"]
    kind = types if isinstance(types, str) else next(t for t in types if t != "null")
    return schema["format"] if kind == "string" and "format" in schema else kind


@dataclass
class Stream:
    """A stream as it was written, and every property that its catalog entry knows.

    First is the first record, in JSON's own types.
    """

    name: str
    key: list[str]
    columns: list[Column]
    known: frozenset[str]
    cursor: str | None = None
    records: int = 0
    first: dict[str, Any] | None = None


def read_catalog(path: Path) -> tuple[list[str], dict[str, frozenset[str]]]:
    """Return the streams that are selected by default, and the properties of every stream."""
    chosen: list[str] = []
    known: dict[str, frozenset[str]] = {}
    for entry in json.loads(path.read_text(encoding="utf-8"))["streams"]:
        name = entry["stream"]
        known[name] = frozenset(entry["schema"]["properties"])
        root = next(m["metadata"] for m in entry["metadata"] if not m["breadcrumb"])
        if root.get("selected-by-default"):
            chosen.append(name)
    return chosen, known


@dataclass
class Output:
    """What one run of the tap wrote: its streams, with the number of records, and its last STATE."""

    path: Path
    streams: dict[str, Stream]
    state: Any

    @property
    def records(self) -> int:
        """Count the records of all streams."""
        return sum(s.records for s in self.streams.values())


def read_output(path: Path, known: dict[str, frozenset[str]]) -> Output:
    """Look through what a run of the tap wrote."""
    streams: dict[str, Stream] = {}
    state: Any = None
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            # Records are most of the lines, and only counted.
            if line.startswith(_RECORD):
                stream = streams[line[len(_RECORD) : line.index('"', len(_RECORD))]]
                stream.records += 1
                if stream.first is None:
                    stream.first = json.loads(line)["record"]
                continue
            message = json.loads(line)
            if message["type"] == "STATE":
                state = message["value"]
            elif message["type"] == "SCHEMA":
                name = message["stream"]
                columns = [Column.of(k, v) for k, v in message["schema"]["properties"].items()]
                cursor = (message.get("bookmark_properties") or [None])[0]
                streams[name] = Stream(name, message["key_properties"], columns, known.get(name, frozenset()), cursor)
    return Output(path, streams, state)
