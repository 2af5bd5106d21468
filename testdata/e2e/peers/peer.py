"""A tap in its own environment, and ours, against one sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.sandbox import Row, Sandbox

from . import compare, messages
from .messages import Output

HERE = Path(__file__).parent
# A catalog is made smaller until a peer ends well, but not for ever.
TRIES = 40


@dataclass
class Run:
    """One run of a tap: how it ended and what it cost."""

    code: int
    output: Output
    log: str
    seconds: float
    calls: int


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
    findings: list[str] = field(default_factory=list)

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
        self, tap: Path, python: Path, launcher: str, sandbox: Sandbox, source: str, config: Row, **environment: str
    ) -> None:
        self.tap, self.python, self.launcher = tap, python, HERE / launcher
        self.sandbox, self.source = sandbox, source
        self.folder = sandbox.folder / source
        self.folder.mkdir(exist_ok=True)
        self.config = self.folder / "peer.json"
        self.config.write_text(json.dumps(config))
        self.environment = {**os.environ, "PEER_BASE_URL": sandbox.url(source), **environment}

    def theirs(self, name: str, *arguments: str | Path) -> Run:
        return self.run(f"theirs-{name}", [self.python, self.launcher, "--config", self.config, *arguments])

    def ours(self, name: str, *arguments: str | Path) -> Run:
        return self.run(f"ours-{name}", [self.tap, self.source, "--config", self.sandbox.path(self.source), *arguments])

    def read(self, run: str) -> str:
        return (self.folder / f"{run}.out").read_text()

    def write(self, name: str, value: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(value, default=float))
        return path

    def run(self, name: str, command: list[str | Path]) -> Run:
        self.sandbox.reset(self.source)
        out, log = self.folder / f"{name}.out", self.folder / f"{name}.log"
        begun = time.monotonic()
        with out.open("w") as stdout, log.open("w") as stderr:
            code = subprocess.run(command, stdout=stdout, stderr=stderr, env=self.environment, timeout=1200).returncode
        seconds = time.monotonic() - begun
        catalog = "--discover" in command
        return Run(
            code,
            Output() if catalog else messages.read(out),
            log.read_text(),
            seconds,
            len(self.sandbox.requests(self.source)),
        )

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


def select(catalog: Row, breadcrumb: list[str] | None, chosen: bool, stream: str | None = None) -> None:
    """Writes "selected" at a breadcrumb of a stream, None for all, in singer's way."""
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if stream in (None, entry["stream"]) and breadcrumb in (None, item["breadcrumb"]):
                item["metadata"]["selected"] = chosen


def syncing(log: str) -> str:
    """The stream that a log of singer-io's style was at."""
    return re.findall(r"START Syncing: (\w+)", log)[-1]


def short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
