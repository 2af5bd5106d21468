"""Every stream of every source through singer-check-tap, on its stdin.

The checker's own --tap mode loses the output of a tap that ends promptly, so
it reads a pipe here. usage: python3 -m check PROGRAM FOLDER. Three runs of each source: all of it, with the state of
that run, and with that state after rows were changed. That a stream is there
and has rows is checked too: an empty output is valid to the checker.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rig.install import Environments
from rig.sandbox import SOURCES, Sandbox

RECORDS = 40
# Its limit of 100 calls a minute is the tap's own count, and details cost a
# call for each row: fewer rows, or minutes of waiting.
FEW = {"buchhaltungsbutler": 8}
# What the account may not read is skipped with one warning, and has no SCHEMA.
REFUSED = re.compile(r" warn  skipped: \w+: (\w+):")
DETAIL = re.compile(r"^\|\s*(\S+)\s*\|\s*(\d+)\s*\|\s*(\d+)\s*\|")


@dataclass
class Result:
    """What came of one source: the streams of its catalog and of each run."""

    source: str
    catalog: int = 0
    schemas: int = 0
    with_rows: int = 0
    records: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Check:
    """One source, checked."""

    def __init__(self, tap: Path, checker: Path, sandbox: Sandbox, source: str) -> None:
        self.tap, self.checker, self.sandbox, self.source = tap, checker, sandbox, source
        self.folder = sandbox.folder / source
        self.folder.mkdir(exist_ok=True)
        self.result = Result(source)

    def run(self) -> Result:
        begun = time.monotonic()
        catalog = self.folder / "catalog.json"
        catalog.write_bytes(self.call("--discover"))
        chosen = self.folder / "chosen.json"
        chosen.write_bytes(subprocess.check_output([self.tap, "select", "--catalog", catalog, "*"]))
        names = {entry["stream"] for entry in json.loads(chosen.read_text())["streams"]}
        self.result.catalog = len(names)

        first = self.sync("first", chosen, None)
        self.result.schemas = len(first)
        self.result.with_rows = sum(1 for rows in first.values() if rows > 0)
        if missing := names - set(first) - set(self.result.refused):
            self.find(f"no SCHEMA of {', '.join(sorted(missing))}")
        state = self.folder / "first.state.json"
        second = self.sync("second", chosen, state)
        self.sandbox.change(self.source, rows=5)
        self.sync("changed", chosen, state)
        if set(second) != set(first):
            self.find(f"streams with state: {sorted(set(second) ^ set(first))}")
        if more := [name for name in second if second[name] > first.get(name, 0)]:
            self.find(f"more rows with state than without: {', '.join(more)}")
        self.result.seconds = time.monotonic() - begun
        return self.result

    def call(self, *arguments: str | Path) -> bytes:
        return subprocess.check_output([self.tap, self.source, "--config", self.sandbox.path(self.source), *arguments])

    def sync(self, name: str, catalog: Path, state: Path | None) -> dict[str, int]:
        """Runs the tap into the checker; gives the records of each stream."""
        config = self.sandbox.path(self.source)
        command: list[str | Path] = [
            self.tap,
            self.source,
            "--config",
            config,
            "--catalog",
            catalog,
            "--exit-zero-on-partial",
        ]
        if state:
            command += ["--state", state]
        log = self.folder / f"{name}.log"
        last = b""
        with log.open("wb") as stderr:
            tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
            checker = subprocess.Popen(
                [self.checker],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert tap.stdout and checker.stdin
            try:
                for line in tap.stdout:
                    checker.stdin.write(line)
                    if line.startswith(b'{"type":"STATE"'):
                        last = line
                checker.stdin.close()
            except BrokenPipeError:
                tap.stdout.close()  # the checker has said why, below
            assert checker.stdout
            told = checker.stdout.read().decode()
            code, verdict = tap.wait(), checker.wait()
        if code != 0:
            self.find(f"{name}: the tap exits {code}: {log.read_text().splitlines()[-1]}")
        if verdict != 0 or "The output is valid." not in told:
            self.find(f"{name}: singer-check-tap exits {verdict}: {told.strip().splitlines()[-1]}")
        self.result.refused = sorted(set(self.result.refused) | set(REFUSED.findall(log.read_text())))
        if last:
            (self.folder / f"{name}.state.json").write_text(json.dumps(json.loads(last)["value"]))
        else:
            self.find(f"{name}: no STATE")
        rows = {m[1]: int(m[2]) for m in map(DETAIL.match, told.splitlines()) if m}
        if any(int(m[3]) != 1 for m in map(DETAIL.match, told.splitlines()) if m):
            self.find(f"{name}: a stream has another number of SCHEMA messages than one")
        self.result.records.append(sum(rows.values()))
        return rows

    def find(self, what: str) -> None:
        self.result.findings.append(what)


def awake(checker: Path, folder: Path) -> bool:
    """Whether the checker refuses what is wrong: it is old, and a dependency
    that no longer works would make everything valid."""
    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "at": {"type": ["null", "string"], "format": "date-time"}},
    }

    def valid(record: dict[str, object]) -> bool:
        messages = (
            {"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["id"]},
            {"type": "RECORD", "stream": "s", "record": record},
        )
        lines = "".join(f"{json.dumps(message)}\n" for message in messages)
        return subprocess.run([checker], cwd=folder, input=lines, text=True, capture_output=True).returncode == 0

    good = {"id": 1, "at": "2024-01-01T00:00:00Z"}
    return valid(good) and not valid(good | {"id": "one"}) and not valid(good | {"at": "2024-01-01"})


def main(tap: Path, folder: Path) -> int:
    """Check all; 1 on any finding."""
    work = folder / "check"
    checker = Environments(folder / "venvs").program("singer-tools", "singer-check-tap")
    with (
        Sandbox(tap, work / "many", RECORDS) as many,
        Sandbox(tap, work / "few", min(FEW.values()), tuple(FEW)) as few,
        # The source that waits for its minute leaves the processor to another.
        ThreadPoolExecutor(2) as pool,
    ):
        order = sorted(SOURCES, key=lambda source: source not in FEW)
        checks = [Check(tap, checker, few if source in FEW else many, source) for source in order]
        results = list(pool.map(Check.run, checks))

    print(
        "| source | streams | with SCHEMA | with rows | refused | records | with state | after a change | seconds | singer-check-tap |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for r in sorted(results, key=lambda r: SOURCES.index(r.source)):
        counts = " | ".join(f"{n:,}" for n in r.records)
        verdict = "valid" if not r.findings else f"{len(r.findings)} findings"
        print(
            f"| {r.source} | {r.catalog} | {r.schemas} | {r.with_rows} | {len(r.refused)} | {counts} | {r.seconds:.0f} | {verdict} |"
        )
    findings = [] if awake(checker, work) else ["singer-check-tap takes wrong messages for valid ones"]
    findings += [f"{r.source}: {what}" for r in results for what in r.findings]
    for what in findings:
        print(f"FOUND {what}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
