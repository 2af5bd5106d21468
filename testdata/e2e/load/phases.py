"""The two phases of one source: load everything, change rows, load what is new; compare after each."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rig.programs import Failed, say
from rig.sandbox import Sandbox

from .compare import Comparison, Tally
from .feed import feed, pipe
from .loaders import Loader
from .schema import Output, Stream, read_catalog
from .tap import Tap
from .wanted import Truths

CHANGED, INSERTED, DELETED = 25, 5, 3
# This source, the smallest, is loaded by a pipe from the tap; the others from a
# file with the tap's bytes, for loaders are slower than the tap.
PIPED = "buchhaltungsbutler"
# Loads and comparisons are as many at a time as there are cores.
AT_ONCE = os.cpu_count() or 1


class Phases:
    """One source and every loader."""

    def __init__(self, tap: Tap, sandbox: Sandbox, loaders: list[Loader], folder: Path) -> None:
        """Discover the streams."""
        self.tallies = {loader: Tally() for loader in loaders}
        self._source = tap.source
        self._tap, self._sandbox, self._folder = tap, sandbox, folder
        self._truths = Truths(sandbox, tap.source, folder / "truth")
        # How many records of each stream a loader was given.
        self._written: dict[Loader, dict[str, int]] = {}
        self._firsts: dict[str, list[dict[str, Any]]] = {}
        tap.discover()
        self._chosen, self._known = read_catalog(tap.catalog)

    def first(self) -> dict[Loader, Any]:
        """Load everything; return the state that each loader printed."""
        self._truths.before(1, self._chosen)
        out = self._sync("first", None)
        if odd := set(self._chosen) ^ set(out.streams):
            for tally in self.tallies.values():
                tally.fail(f"{self._source}: selected by default, or written, but not both: {sorted(odd)}")
        states = self._load(list(self.tallies), 1, out)
        self._truths.after(1, self._chosen)
        self._compare(out, 1)
        return states

    def second(self, states: dict[Loader, Any]) -> None:
        """Change rows, go on from each loader's state, load what is new."""
        self._sandbox.change(self._source, rows=CHANGED, insert=INSERTED, delete=DELETED)
        self._truths.before(2, self._chosen)
        groups: dict[str, list[Loader]] = {}
        for loader, state in states.items():
            groups.setdefault(json.dumps(state), []).append(loader)
        for i, (state, loaders) in enumerate(groups.items()):
            path = self._folder / f"state-{i}.json"
            path.write_text(state, encoding="utf-8")
            out = self._sync(f"second-{i}", path)
            self._load(loaders, 2, out)
        self._truths.after(2, self._chosen)
        if groups:
            self._compare(out, 2)

    def _sync(self, name: str, state: Path | None) -> Output:
        begun = time.monotonic()
        out = self._tap.sync(name, state, self._known)
        say(f"{self._source}: the tap wrote {out.records:,} records ({name}) in {time.monotonic() - begun:.1f} s")
        return out

    def _load(self, loaders: list[Loader], phase: int, out: Output) -> dict[Loader, Any]:
        """Load with several loaders at a time; those that failed are left out."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = list(pool.map(lambda loader: self._load_one(loader, phase, out), loaders))
        return {loader: state for loader, state in zip(loaders, done, strict=True) if state is not None}

    def _load_one(self, loader: Loader, phase: int, out: Output) -> Any:
        tally, begun = self.tallies[loader], time.monotonic()
        words, log = loader.command(self._source, phase), loader.folder(self._source) / f"{phase}.log"
        piped = self._source == PIPED and phase == 1
        try:
            printed = pipe(self._tap.command(None), words, log) if piped else feed(out.path, words, log)
            tally.seconds += time.monotonic() - begun
            loader.loaded(self._source, phase)
            state = json.loads(printed.splitlines()[-1] if printed else printed)
        except (Failed, ValueError) as err:
            tally.fail(f"{self._source}: {err}")
            self._written.pop(loader, None)
            return None
        say(f"{self._source}: {loader.name} loaded phase {phase} in {time.monotonic() - begun:.1f} s")
        # The tap that wrote into the pipe began at another time, which its state tells.
        if not piped and state != out.state:
            tally.fail(f"{self._source}: printed {json.dumps(state)[:300]}, which is not the tap's last STATE")
        written = self._written.setdefault(loader, {})
        for stream in out.streams.values():
            written[stream.name] = written.get(stream.name, 0) + stream.records
        return state

    def _compare(self, out: Output, phase: int) -> None:
        """Compare all tables, streams side by side in processes that share what is here."""
        begun = time.monotonic()
        for stream in out.streams.values():
            if stream.first is not None:
                self._firsts.setdefault(stream.name, []).append(stream.first)
        loaders = list(self._written)
        global _work
        _work = self, loaders, phase
        # No Pool: it ends its processes by SIGTERM, which one that waits for work may
        # sleep through for ever, and it waits for ever for one that was killed.
        with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("fork")) as pool:
            for tallies in pool.map(_compare_stream, out.streams.values()):
                for loader, tally in zip(loaders, tallies, strict=True):
                    self.tallies[loader].add(tally)
        say(f"{self._source}: compared phase {phase} in {time.monotonic() - begun:.1f} s")

    def compare_stream(self, stream: Stream, loaders: list[Loader], phase: int) -> list[Tally]:
        """Compare one table of every loader."""
        want, firsts = self._truths.wanted(stream, phase), self._firsts.get(stream.name, [])
        return [
            Comparison(loader, self._source, stream, want, firsts).run(self._written[loader][stream.name])
            for loader in loaders
        ]


# What the processes of a comparison take over from the one that forked them.
_work: tuple[Phases, list[Loader], int]


def _compare_stream(stream: Stream) -> list[Tally]:
    phases, loaders, phase = _work
    return phases.compare_stream(stream, loaders, phase)
