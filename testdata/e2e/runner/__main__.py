"""Meltano runs the project in ../meltano against the sandbox.

usage: python3 -m runner PROGRAM FOLDER

The project is copied as a user would copy it. Asserted: the definitions are
what the tap prints; Meltano's own commands work; a first run loads all rows of
the selected streams, a second one only what changed, from the state that
Meltano kept; after both, rows and plain values are the sandbox's truth.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.install import Environments, postgres_programs
from rig.postgres import DATABASE, USER, Postgres
from rig.sandbox import Row, Sandbox, parse

from . import definition

PROJECT = Path(__file__).resolve().parent.parent / "meltano"
RECORDS = 300
CHANGED, INSERTED = 10, 3
# Before any row, so that what is loaded is all there is.
START = "2010-01-01T00:00:00Z"
# Text that no loader takes: contract.md §4, "lossy by rule".
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Plugin:
    """An extractor of meltano.yml and the streams that it selects there."""

    name: str
    source: str
    streams: tuple[str, ...]
    # A stream and a property that meltano.yml deselects.
    without: tuple[str, str]

    @property
    def schema(self) -> str:
        return self.name.replace("-", "_")


PLUGINS = (
    Plugin("saasoptics", "saasoptics", ("customers", "contracts", "invoices", "accounts"), ("customers", "notes")),
    Plugin("zoho-crm", "zoho_crm", ("contacts", "deals", "users"), ("contacts", "Description")),
    Plugin(
        "exact-online",
        "exact_online",
        ("sync_crm_accounts", "crm_account_classifications", "vat_vat_codes"),
        ("sync_crm_accounts", "Remarks"),
    ),
)


ASKED = PLUGINS[1]


@dataclass
class Streams:
    """What one stream came to."""

    plugin: Plugin
    name: str
    truth: int = 0
    first: int = 0
    values: int = 0
    changed: int = 0
    second: int = 0


@dataclass
class Trial:
    """The project at work."""

    tap: Path
    meltano: Path
    work: Path
    sandbox: Sandbox
    postgres: Postgres
    findings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> list[Streams]:
        self.project = self.work / "project"
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(PROJECT, self.project, ignore=shutil.ignore_patterns(".env", ".meltano"))
        self.environment = self.settings()

        self.definitions()
        self.ask("install", "install")
        catalogs = {plugin: self.catalog(plugin) for plugin in PLUGINS}
        # Each command of Meltano takes seconds: the source that has to be asked
        # for its catalog stands for all.
        self.selection(ASKED)
        said = self.ask("config test", "config", "test", ASKED.name)
        if "Plugin configuration is valid" not in said:
            self.find(f"config test {ASKED.name}: {said[-300:]}")

        table = [Streams(plugin, name) for plugin in PLUGINS for name in plugin.streams]
        self.load("run 1", table, catalogs, again=False)
        again = {(e.plugin.name, e.name): self.repeated(e, catalogs[e.plugin][e.name]) for e in table}
        touched = self.change(table, catalogs)
        begun = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        self.load("run 2", table, catalogs, again=True)
        self.incremental(table, catalogs, touched, again, begun)
        self.states()
        self.refusal()
        return table

    # Settings and definitions

    def settings(self) -> dict[str, str]:
        """The environment of a user who has filled in .env.example."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.on_path()), str(self.meltano.parent), os.environ["PATH"]]),
            "NO_COLOR": "1",
            "TARGET_POSTGRES_HOST": "127.0.0.1",
            "TARGET_POSTGRES_PORT": str(self.postgres.port),
            "TARGET_POSTGRES_USER": USER,
            "TARGET_POSTGRES_PASSWORD": "any",
            "TARGET_POSTGRES_DATABASE": DATABASE,
        }
        environment.pop("PYTHONPATH", None)  # it is this test's, not the plugins'
        for plugin in PLUGINS:
            config = self.sandbox.config(plugin.source) | {
                "start_date": START,
                "token_store": str(self.work / "tokens.json"),
            }
            for key, value in config.items():
                if key != "source":  # that one is the definition's
                    environment[f"TAP_{plugin.source.upper()}_{key.upper()}"] = str(value)
        return environment

    def on_path(self) -> Path:
        """A folder with the binary under the name that the definition calls."""
        folder = self.work / "bin"
        folder.mkdir(exist_ok=True)
        link = folder / "tap-backoffice"
        link.unlink(missing_ok=True)
        link.symlink_to(self.tap)
        return folder

    def definitions(self) -> None:
        """The files are what the command prints, so that they cannot rot."""
        for plugin in PLUGINS:
            path = PROJECT / "plugins" / f"{plugin.source}.meltano.yml"
            if path.read_text() != definition.printed(self.tap, plugin.source):
                self.find(
                    f"plugins/{path.name} is not what the tap prints: write it anew with python3 -m runner.definition"
                )

    # Meltano's commands

    def ask(self, what: str, *arguments: str, fails: bool = False, **more: str) -> str:
        """A command of Meltano; gives stdout and stderr, which are kept in a file."""
        begun = time.monotonic()
        run = subprocess.run(
            [self.meltano, *arguments],
            cwd=self.project,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
        )
        self.seconds[what] = self.seconds.get(what, 0) + time.monotonic() - begun
        (self.work / f"{what.replace(' ', '-')}.log").write_text(run.stdout + run.stderr)
        if (run.returncode != 0) != fails:
            self.find(
                f"meltano {' '.join(arguments)} exits {run.returncode}: {' '.join((run.stdout + run.stderr).split()[-40:])}"
            )
        return run.stdout if what == "invoke --discover" else run.stdout + run.stderr

    def catalog(self, plugin: Plugin) -> dict[str, Row]:
        """Each stream's entry of the catalog; one of them by way of Meltano."""
        if plugin is ASKED:
            found = self.ask("invoke --discover", "invoke", plugin.name, "--discover")
        else:
            found = subprocess.check_output(
                [self.tap, plugin.source, "--config", self.sandbox.path(plugin.source), "--discover"], text=True
            )
        catalog = {entry["stream"]: entry for entry in json.loads(found)["streams"]}
        if missing := set(plugin.streams) - set(catalog):
            self.find(f"{plugin.name}: not discovered: {missing}")
        return catalog

    def selection(self, plugin: Plugin) -> None:
        """select --list shows what meltano.yml chooses, and not what it deselects."""
        listed = self.ask("select --list", "select", plugin.name, "--list")
        chosen = set(re.findall(r"\[(?:selected|automatic)\s*\] (\S+)", listed))
        if missing := set(plugin.streams) - {name.split(".")[0] for name in chosen}:
            self.find(f"select {plugin.name}: {missing} not selected")
        if ".".join(plugin.without) in chosen:
            self.find(f"select {plugin.name}: {plugin.without} is selected")

    def load(self, what: str, table: list[Streams], catalogs: dict[Plugin, dict[str, Row]], *, again: bool) -> None:
        """meltano run of everything, then the tables against the truth."""
        blocks = [word for plugin in PLUGINS for word in (plugin.name, "target-postgres")]
        said = self.ask(what, "run", *blocks)
        found = self.written(said)
        for entry in table:
            # No row at all, no counter.
            count = found.get((entry.plugin.name, entry.name), 0)
            if again:
                entry.second = count
            else:
                entry.first = count
            truth = self.sandbox.truth(entry.plugin.source, entry.name)
            entry.truth = len(truth)
            entry.values += self.compare(what, entry, catalogs[entry.plugin][entry.name], truth)
        for plugin in PLUGINS:
            stream, left_out = plugin.without
            if left_out in self.postgres.columns(plugin.schema, stream):
                self.find(f"{what}: {plugin.name}: {stream}.{left_out} is loaded though it is deselected")

    def written(self, said: str) -> dict[tuple[str, str], int]:
        """Records by extractor and stream, as the loader counts them in Meltano's log."""
        counts: dict[tuple[str, str], int] = {}
        plugin = ""
        for line in said.splitlines():
            if block := re.search(r"Running job with name '\w+:(\S+)-to-target-postgres'", line):
                plugin = block[1]
            if metric := re.search(r'target-postgres\s+METRIC: (\{.*"metric":"record_count".*\})', line):
                counter = json.loads(metric[1])
                key = (plugin, counter["tags"]["stream"])
                counts[key] = counts.get(key, 0) + counter["value"]
        return counts

    # The tables against the truth

    def compare(self, what: str, entry: Streams, catalog: Row, truth: list[Row]) -> int:
        """Keys and plain values; gives how many values were compared."""
        where = f"{what}: {entry.plugin.name}.{entry.name}"
        keys = catalog["key_properties"]
        rows = {self.key(row, keys): row for row in self.rows(entry)}
        if len(rows) != len(truth) or set(rows) != {self.key(row, keys) for row in truth}:
            self.find(f"{where}: {len(rows)} rows, the sandbox has {len(truth)}")
        values = 0
        columns = self.postgres.columns(entry.plugin.schema, entry.name)
        kinds = {
            name: plain_kind(schema) for name, schema in catalog["schema"]["properties"].items() if name in columns
        }
        plain = {name: kind for name, kind in kinds.items() if kind and name != "_rescued_data"}
        for expected in truth:
            loaded = rows.get(self.key(expected, keys))
            if loaded is None:
                continue
            for name, kind in plain.items():
                value = looked_up(expected, name)
                if isinstance(value, (dict, list)):
                    continue  # JSON text, or rescued: the loaders' test looks into it
                values += 1
                if not same(kind, value, loaded[name]):
                    self.find(f"{where}: {self.key(expected, keys)}.{name}: expected {value!r}, found {loaded[name]!r}")
        return values

    def rows(self, entry: Streams) -> list[Row]:
        """What is in the table of a stream."""
        return list(map(parse, self.postgres.rows(entry.plugin.schema, entry.name)))

    @staticmethod
    def key(row: Row, keys: list[str]) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in keys)

    def change(self, table: list[Streams], catalogs: dict[Plugin, dict[str, Row]]) -> dict[tuple[str, str], set[str]]:
        """Changes and inserts rows; gives their ids. No deletions: they need include_deleted."""
        touched: dict[tuple[str, str], set[str]] = {}
        for entry in table:
            ids = touched.setdefault((entry.plugin.name, entry.name), set())
            if catalogs[entry.plugin][entry.name]["replication_method"] != "INCREMENTAL":
                continue  # the sandbox changes no list without a time of change
            for report in self.sandbox.change(entry.plugin.source, stream=entry.name, rows=CHANGED, insert=INSERTED):
                if report["stream"] == entry.name:
                    ids |= {str(identity) for identity in report["touched"] + report["inserted"]}
            entry.changed = len(ids)
        return touched

    def repeated(self, entry: Streams, catalog: Row) -> set[str]:
        """The rows that an incremental run may write again: those at the bookmark
        of their partition, and those without a replication value."""
        field_, key = catalog.get("replication_key"), catalog["key_properties"][-1]
        rows = self.rows(entry)
        if field_ is None:
            return {str(row[key]) for row in rows}
        latest: dict[Any, Any] = {}
        for row in rows:
            part = row.get("_division")
            if row[field_] is not None:
                latest[part] = max(latest.get(part, row[field_]), row[field_])
        return {str(row[key]) for row in rows if row[field_] is None or row[field_] == latest[row.get("_division")]}

    def incremental(
        self,
        table: list[Streams],
        catalogs: dict[Plugin, dict[str, Row]],
        touched: dict[tuple[str, str], set[str]],
        again: dict[tuple[str, str], set[str]],
        begun: str,
    ) -> None:
        """The second run wrote all that had changed, and nothing that needed not be."""
        for entry in table:
            where, which = f"run 2: {entry.plugin.name}.{entry.name}", (entry.plugin.name, entry.name)
            key = catalogs[entry.plugin][entry.name]["key_properties"][-1]
            rows = self.rows(entry)
            fresh = {str(row[key]) for row in rows if row["_sdc_batched_at"] >= begun}
            if missing := touched[which] - fresh:
                self.find(f"{where}: changed and not written again: {sorted(missing)[:5]}")
            if more := fresh - touched[which] - again[which]:
                self.find(f"{where}: {len(more)} written again without need: {sorted(more)[:5]}")

    def states(self) -> None:
        """Meltano has kept a state for each pair; one is looked at, with its partitions."""
        listed = self.ask("state list", "state", "list")
        plugin = PLUGINS[2]
        said = self.ask("state get", "state", "get", f"prod:{plugin.name}-to-target-postgres")
        state = re.search(r"^\{.*\}$", said, re.MULTILINE)
        kept: dict[str, Any] = json.loads(state[0]) if state else {}
        bookmarks = kept.get("singer_state", kept).get("bookmarks", {})
        if set(bookmarks) != set(plugin.streams) or not all(len(b["partitions"]) == 2 for b in bookmarks.values()):
            self.find(f"state of {plugin.name}: {said[-300:]}")
        for plugin in PLUGINS:
            if f"prod:{plugin.name}-to-target-postgres" not in listed:
                self.find(f"no state of {plugin.name}: {listed[-300:]}")

    def refusal(self) -> None:
        """A wrong token fails the run, and stays out of the log."""
        said = self.ask(
            "refusal", "run", "saasoptics", "target-postgres", fails=True, TAP_SAASOPTICS_TOKEN="wrong-but-secret"
        )
        if "wrong-but-secret" in said:
            self.find("a run with a wrong token shows it")
        if "kind=auth" not in said:
            self.find(f"a run with a wrong token does not say why it failed: {said[-300:]}")

    def find(self, what: str) -> None:
        self.findings.append(what)


def looked_up(row: Row, name: str) -> Any:
    """A member by its name, or by that of its parent and its own ("audit_created")."""
    if name in row:
        return row[name]
    for parent, inner in row.items():
        if isinstance(inner, dict) and name.startswith(f"{parent}_") and name.removeprefix(f"{parent}_") in inner:
            return inner[name.removeprefix(f"{parent}_")]
    return None


def plain_kind(schema: Row) -> str | None:
    """The type of text, integers and booleans, which a loader has no way to write
    differently; None for numbers, instants and structures, which the loaders'
    test compares."""
    kinds = set(schema["type"] if isinstance(schema["type"], list) else [schema["type"]]) - {"null"}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if kind in ("string", "integer", "boolean") and "format" not in schema else None


def same(kind: str, expected: Any, found: Any) -> bool:
    """Whether a plain value is the service's, by the rules of the contract."""
    if expected is None:
        return found is None
    text = str(expected).lower() if isinstance(expected, bool) else str(expected)
    if kind == "string":  # a number or boolean for text becomes its text
        return found == UNSTORABLE.sub("\ufffd", text)
    if kind == "boolean":
        return found is (expected if isinstance(expected, bool) else None)
    whole = re.fullmatch(r"(-?\d{1,19})(\.0+)?", text)  # 3.0 is 3; what is no integer is rescued
    return found == (int(whole[1]) if whole and abs(int(whole[1])) < 2**63 else None)


def main(tap: Path, folder: Path) -> int:
    """Run it; 1 on any finding."""
    work = folder / "runner"
    meltano = Environments(folder / "venvs").program("meltano", "meltano")
    sources = tuple(plugin.source for plugin in PLUGINS)
    with Sandbox(tap, work / "sandbox", RECORDS, sources) as sandbox, Postgres(postgres_programs()) as postgres:
        trial = Trial(tap, meltano, work, sandbox, postgres)
        table = trial.run()

    version = subprocess.check_output([meltano, "--version"], text=True).strip()
    print(f"{version}; {', '.join(f'{what} {seconds:.0f} s' for what, seconds in trial.seconds.items())}\n")
    print("| extractor | stream | truth | run 1 | changed | run 2 | values compared |")
    print("|---|---|---|---|---|---|---|")
    for s in table:
        print(f"| {s.plugin.name} | {s.name} | {s.truth:,} | {s.first:,} | {s.changed} | {s.second:,} | {s.values:,} |")
    for what in trial.findings[:50]:
        print(f"FOUND {what}", file=sys.stderr)
    if len(trial.findings) > 50:
        print(f"… and {len(trial.findings) - 50} more", file=sys.stderr)
    return 1 if trial.findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
