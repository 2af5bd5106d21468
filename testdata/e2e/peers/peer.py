"""A tap in its own environment, and ours, against one sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rig.programs import Failed
from rig.sandbox import Row, Sandbox

from . import compare, messages
from .messages import Output

HERE = Path(__file__).parent
# Before any row, so that the truth is all there is.
START = "2018-01-01T00:00:00Z"
# A catalog is made smaller until a peer ends well, but not for ever.
TRIES = 40


@dataclass
class Run:
    """One run of a tap: how it ended and what it cost."""

    code: int
    path: Path
    reader: Callable[[Path], Output]
    log: str
    seconds: float
    calls: int

    @cached_property
    def output(self) -> Output:
        """The messages on its stdout."""
        return self.reader(self.path)


@dataclass
class Result:
    """A peer beside ours, a row of the table."""

    peer: str
    version: str
    source: str
    streams: tuple[int, int] = (0, 0)
    truth: int = 0
    theirs: int = 0
    ours: int = 0
    calls: tuple[int, int] = (0, 0)
    seconds: tuple[float, float] = (0.0, 0.0)
    notes: list[str] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    compared: int = 0
    lacking: list[str] = field(default_factory=list)
    # Streams that it does not have, with their rows.
    absent: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def cost(self, theirs: Run, ours: Run) -> None:
        """Takes down what both spent on the same streams."""
        self.calls, self.seconds = (theirs.calls, ours.calls), (theirs.seconds, ours.seconds)

    def goes_on(self, touched: dict[str, set[str]], again: Run, output: Output, key: Callable[[str], str]) -> None:
        """Tells what a second run of theirs, with its state, has of the rows that changed."""
        missing = lacks(touched, output, key)
        lost = f" ({', '.join(sorted(missing))})" if missing else ""
        self.notes.append(
            f"{sum(map(len, touched.values()))} rows changed: from its state it reads {output.count} "
            f"with {again.calls} calls and lacks {sum(map(len, missing.values()))}{lost}"
        )

    def differ(self, stream: str, ours: Row, theirs: Row, skip: set[str]) -> None:
        """Counts the differences of one record by rule."""
        self.compared += len(set(theirs) - skip)
        for rule, path, left, right in compare.records(ours, theirs, skip):
            self.rules[rule] += 1
            said = f"{stream}.{path}: ours {short(left)}, theirs {short(right)}"
            self.examples.setdefault(rule, said)
            if rule == compare.UNKNOWN and self.rules[rule] <= 10:
                self.findings.append(said)


class Pair:
    """The peer and ours, with one config and one sandbox."""

    def __init__(
        self,
        tap: Path,
        python: Path,
        launcher: str,
        sandbox: Sandbox,
        source: str,
        config: Row,
        reader: Callable[[Path], Output] = messages.read,
        **environment: str,
    ) -> None:
        self.tap, self.python, self.launcher = tap, python, HERE / launcher
        self.sandbox, self.source = sandbox, source
        self.reader = reader
        self.folder = sandbox.folder / source
        self.folder.mkdir(exist_ok=True)
        self.config = self.folder / "peer.json"
        self.config.write_text(json.dumps(config))
        self.environment = {**os.environ, "PEER_BASE_URL": sandbox.url(source), **environment}

    def theirs(self, name: str, *arguments: str | Path) -> Run:
        # Airbyte's verbs come before the options.
        command = [self.python, self.launcher, *arguments, "--config", self.config]
        return self.run(f"theirs-{name}", command, self.reader)

    def ours(self, name: str, *arguments: str | Path) -> Run:
        command = [self.tap, self.source, "--config", self.sandbox.path(self.source)]
        return self.run(f"ours-{name}", [*command, *arguments], messages.read)

    def read(self, run: str) -> str:
        return (self.folder / f"{run}.out").read_text()

    def write(self, name: str, value: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(value, default=float))
        return path

    def run(self, name: str, command: list[str | Path], reader: Callable[[Path], Output]) -> Run:
        self.sandbox.reset(self.source)
        out, log = self.folder / f"{name}.out", self.folder / f"{name}.log"
        begun = time.monotonic()
        with out.open("w") as stdout, log.open("w") as stderr:
            code = subprocess.run(command, stdout=stdout, stderr=stderr, env=self.environment, timeout=1200).returncode
        seconds = time.monotonic() - begun
        return Run(code, out, reader, log.read_text(), seconds, len(self.sandbox.requests(self.source)))

    def until_it_ends(self, catalog: Row, deselect: Any) -> tuple[Run, Run, list[str]]:
        """Runs the peer, takes out of the catalog what ended it, and runs it
        again; gives the first run, the last one, and what was taken out."""
        first = last = self.theirs("first", "--catalog", self.write("catalog.json", catalog))
        gone: list[str] = []
        while last.code != 0 and len(gone) < TRIES:
            cause = deselect(catalog, last.log)
            if not cause:
                break
            gone += cause
            last = self.theirs("last", "--catalog", self.write("catalog.json", catalog))
        return first, last, gone


def beside(
    result: Result,
    pair: Pair,
    theirs: Output,
    ours: Output,
    streams: Iterable[str],
    *,
    skip: dict[str, set[str]] | None = None,
    part: Callable[[Row], bool] = lambda _: True,
) -> None:
    """Rows by key and values by rule, over some of our streams; both see that part of the truth."""
    catalog = json.loads(pair.read("ours-discover"))
    cursors = {entry["stream"]: entry.get("replication_key") for entry in catalog["streams"]}
    for stream in streams:
        key = theirs.keys.get(stream) or ours.keys[stream]
        left, right = theirs.by_key(stream, key), ours.by_key(stream, key)
        truth = sum(map(part, pair.sandbox.truth(pair.source, stream)))
        result.truth += truth
        result.theirs += len(left)
        result.ours += len(right)
        if len(right) != truth:
            result.findings.append(f"{stream}: ours has {len(right)} rows, the sandbox {truth}")
        if stream not in theirs.records:
            result.absent[stream] = truth
        elif len(left) != truth:
            bare = sum(1 for key in right.keys() - left.keys() if right[key].get(cursors.get(stream, "")) is None)
            result.lacking.append(f"{stream} {truth - len(left):,} of {truth:,} ({bare:,} without a replication value)")
        for key in left.keys() & right.keys():
            result.differ(stream, right[key], left[key], (skip or {}).get(stream, set()))
        if strange := left.keys() - right.keys():
            result.findings.append(f"{stream}: only theirs: {sorted(strange)[:5]}")


def change(pair: Pair, streams: Iterable[str]) -> dict[str, set[str]]:
    """Changes and inserts rows where the service does; gives their ids by stream."""
    touched: dict[str, set[str]] = {}
    for stream in streams:
        try:
            reports = pair.sandbox.change(pair.source, stream=stream, rows=5, insert=2)
        except Failed as error:
            if "does not change" in str(error):
                continue
            raise
        for report in reports:
            if report["stream"] == stream:
                touched[stream] = {str(identity) for identity in report["touched"] + report["inserted"]}
    return touched


def lacks(touched: dict[str, set[str]], output: Output, key: Callable[[str], str]) -> dict[str, set[str]]:
    """The changed rows that a run does not have, by stream; key names the member with the id."""
    found = {stream: {str(row[key(stream)]) for row in output.records.get(stream, [])} for stream in touched}
    return {stream: missing for stream, ids in touched.items() if (missing := ids - found[stream])}


def ours_goes_on(result: Result, pair: Pair, state: Row, streams: Iterable[str]) -> None:
    """Ours goes on from the peer's state: what changed since, and ties, no more."""
    catalog = json.loads(pair.read("ours-discover"))
    cursors = {entry["stream"]: entry.get("replication_key") for entry in catalog["streams"]}
    touched = change(pair, state["bookmarks"])
    path = pair.write("their-state.json", state)
    run = pair.ours("continued", "--state", path, *(f"--select={stream}" for stream in streams))
    if run.code != 0:
        result.findings.append(f"from their state ours exits {run.code}: {run.log[-300:]}")
    for stream, missing in lacks(touched, run.output, lambda _: "id").items():
        result.findings.append(f"from their state ours lacks {stream} {sorted(missing)[:5]}")
    newer = 0
    for stream, mark in state["bookmarks"].items():
        rows = run.output.records.get(stream, [])
        newer += len(rows)
        # A bare value, or an object with the replication key.
        bound = moment(next(iter(mark.values())) if isinstance(mark, dict) else mark)
        if older := [row["id"] for row in rows if row[cursors[stream]] and moment(row[cursors[stream]]) < bound]:
            result.findings.append(f"from their state ours reads older rows of {stream}: {older[:5]}")
    again = pair.theirs("continued", "--catalog", pair.folder / "catalog.json", "--state", path)
    repeated = sum(len(again.output.records.get(stream, [])) for stream in state["bookmarks"])
    changed = sum(map(len, touched.values()))
    result.notes.append(
        f"{changed} rows changed: from its state ours reads {newer} (calls {run.calls}), it reads {repeated} (calls {again.calls})"
    )


def moment(value: str) -> datetime:
    found = compare.instant(value)
    assert found is not None, value
    return found


def defaults(catalog: Row) -> list[str]:
    """The streams that a catalog of ours selects by default."""
    roots = {e["stream"]: next(m["metadata"] for m in e["metadata"] if not m["breadcrumb"]) for e in catalog["streams"]}
    return [name for name, root in roots.items() if root.get("selected-by-default")]


def select(catalog: Row, breadcrumb: list[str] | None, chosen: bool, stream: str | None = None) -> None:
    """Writes "selected" at a breadcrumb of a stream, None for all, in singer's way."""
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if stream in (None, entry["stream"]) and breadcrumb in (None, item["breadcrumb"]):
                item["metadata"]["selected"] = chosen


def syncing(log: str) -> str:
    """The stream that a log of singer-io's style was at."""
    return re.findall(r"START Syncing: (\w+)", log)[-1]


def failing_stream(catalog: Row, log: str) -> list[str]:
    """Deselects the stream that ended the run."""
    stream = syncing(log)
    select(catalog, [], False, stream)
    return [stream]


def reason(run: Run) -> str:
    """The line that says why a run ended."""
    lines = [line.strip() for line in run.log.splitlines() if line.strip()]
    wrong = [
        line
        for line in lines
        if re.match(r"\S*(?:Error|Exception|Mismatch)\b.*|\w[\w.]*: (?:data )?does not match", line)
    ]
    said = wrong[-1] if wrong else (lines[-1] if lines else "no word")
    try:
        where = f"{syncing(run.log)}: "
    except IndexError:
        where = ""
    return where + (said if len(said) <= 140 else said[:137] + "…")


def short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
