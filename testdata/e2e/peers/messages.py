"""What a Singer tap wrote: schemas, records, the last state."""

from __future__ import annotations

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
    state: Row = field(default_factory=dict)

    def by_key(self, stream: str) -> dict[tuple[str, ...], Row]:
        """The last record of each key, as an upsert leaves it."""
        return {tuple(str(row.get(name)) for name in self.keys[stream]): row for row in self.records.get(stream, [])}

    @property
    def count(self) -> int:
        return sum(map(len, self.records.values()))


def read(path: Path) -> Output:
    """Reads a tap's stdout; a last line that a crash cut off is left out."""
    output = Output()
    for line in path.read_text(errors="replace").splitlines():
        try:
            message: Any = parse(line)
        except ValueError:
            continue
        if message["type"] == "SCHEMA":
            output.keys[message["stream"]] = message["key_properties"]
            output.schemas[message["stream"]] = message["schema"]
            output.records.setdefault(message["stream"], [])
        elif message["type"] == "RECORD":
            output.records.setdefault(message["stream"], []).append(message["record"])
        elif message["type"] == "STATE":
            output.state = message["value"]
    return output
