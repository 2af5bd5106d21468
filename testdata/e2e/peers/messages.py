"""What a tap wrote, of Singer or of Airbyte: schemas, records, the last state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.sandbox import Row, parse


@dataclass
class Output:
    """The messages of one run, by stream."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    schemas: dict[str, Row] = field(default_factory=dict)
    records: dict[str, list[Row]] = field(default_factory=dict)
    # An object; of Airbyte a list, an entry for each stream.
    state: Any = field(default_factory=dict)

    def by_key(self, stream: str, key: list[str]) -> dict[tuple[str, ...], Row]:
        """The last record of each key, as an upsert leaves it."""
        return {tuple(str(row.get(name)) for name in key): row for row in self.records.get(stream, [])}

    def renamed(self, names: dict[str, str]) -> Output:
        """The same with the streams that have another name here."""
        members = ({names.get(name, name): v for name, v in m.items()} for m in (self.keys, self.schemas, self.records))
        return Output(*members, self.state)

    @property
    def count(self) -> int:
        return sum(map(len, self.records.values()))


def lines(path: Path) -> Iterator[Row]:
    """The messages of a tap's stdout; a last line that a crash cut off is left out."""
    for line in path.read_text(errors="replace").splitlines():
        try:
            yield parse(line)
        except ValueError:
            continue


def read(path: Path) -> Output:
    """Reads what a Singer tap wrote."""
    output = Output()
    for message in lines(path):
        if message["type"] == "SCHEMA":
            output.keys[message["stream"]] = message["key_properties"]
            output.schemas[message["stream"]] = message["schema"]
            output.records.setdefault(message["stream"], [])
        elif message["type"] == "RECORD":
            output.records.setdefault(message["stream"], []).append(message["record"])
        elif message["type"] == "STATE":
            output.state = message["value"]
    return output


def read_airbyte(path: Path) -> Output:
    """Reads what a source of Airbyte wrote; its schemas are in the catalog only."""
    output, states = Output(), {}
    for message in lines(path):
        if message["type"] == "RECORD":
            output.records.setdefault(message["record"]["stream"], []).append(message["record"]["data"])
        elif message["type"] == "STATE":
            states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
    output.state = list(states.values())
    return output
