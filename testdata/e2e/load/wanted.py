"""The truth of a source around each phase, and what its tables must have after that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rig.sandbox import Sandbox

from .facts import FACTS
from .schema import Stream
from .truth import Oracle, Record
from .values import Value

Key = tuple[Value, ...]


@dataclass
class Wanted:
    """The records that a table must have, by key."""

    records: dict[Key, Record]
    # Some services tell in a few members what time it is there, or forget rows after
    # some time. So the truth is taken before and after the tap ran; these are rows
    # that read differently before, with no change in between, and the keys that were
    # not there at both times.
    before: dict[Key, Record]
    passing: set[Key]
    # Rows that have changed since the first phase, as they were then.
    earlier: dict[Key, Record] = field(default_factory=dict)

    def update(self, later: Wanted) -> None:
        """Go on to the second phase. What is gone by then was loaded, and nobody took it away."""
        for key, record in later.records.items():
            old = self.records.get(key)
            if old is not None and old != record:
                self.earlier[key] = old
            self.records[key] = record
            self.before.pop(key, None)
        self.before.update(later.before)
        self.passing |= later.passing


class Truths:
    """The truth of one source, written down before and after each phase."""

    def __init__(self, sandbox: Sandbox, source: str, folder: Path) -> None:
        """Ask for nothing yet."""
        self._sandbox, self._source, self._folder = sandbox, source, folder

    def before(self, phase: int, streams: Iterable[str]) -> None:
        """Write down what there is before the tap runs."""
        self._save("before", phase, streams)

    def after(self, phase: int, streams: Iterable[str]) -> None:
        """Write down what there is after it."""
        self._save("after", phase, streams)

    def _save(self, moment: str, phase: int, streams: Iterable[str]) -> None:
        for name in streams:
            self._sandbox.save_truth(self._source, name, self._file(moment, phase, name))

    def _file(self, moment: str, phase: int, stream: str) -> Path:
        return self._folder / f"{moment}-{phase}" / f"{stream}.jsonl"

    def wanted(self, stream: Stream, phase: int) -> Wanted:
        """Return what the table must have after a phase."""
        want = self._of(stream, 1)
        for later in range(2, phase + 1):
            want.update(self._of(stream, later))
        return want

    def _of(self, stream: Stream, phase: int) -> Wanted:
        before, after = (self._file(moment, phase, stream.name) for moment in ("before", "after"))
        oracle = Oracle(stream, FACTS[self._source])
        records = _by_key(stream, oracle.records(_lines(after)))
        if before.read_bytes() == after.read_bytes():
            return Wanted(records, {}, set())
        old = _by_key(stream, oracle.records(_lines(before)))
        differing = {key: record for key, record in old.items() if record != records.get(key)}
        return Wanted(records, differing, old.keys() ^ records.keys())


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from lines


def _by_key(stream: Stream, records: Iterable[Record]) -> dict[Key, Record]:
    return {tuple(record[k] for k in stream.key): record for record in records}
