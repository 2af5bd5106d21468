"""Meltano runs the project in ../meltano against the sandbox.

usage: python3 -m runner PROGRAM FOLDER

The project is copied as a user would copy it. Asserted: the definitions are
what the tap prints; Meltano's own commands work; a first run loads all rows of
the selected streams, a second one only what changed, from the state that
Meltano kept; after both, every value is the sandbox's truth, as the part
"load" holds tables against it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load import report
from load.compare import Comparison, Tally
from load.loaders import MeltanoLabsPostgres, Services
from load.schema import Column, Stream
from load.values import Value
from load.wanted import Key, Truths, Wanted
from rig.install import Environments
from rig.postgres import DATABASE, USER
from rig.programs import Failed
from rig.sandbox import Row, Sandbox

from . import definition

PROJECT = Path(__file__).resolve().parent.parent / "meltano"
RECORDS = 300
CHANGED, INSERTED, DELETED = 10, 3, 2
# Before any row, so that what is loaded is all there is.
START = "2010-01-01T00:00:00Z"


@dataclass(frozen=True)
class Plugin:
    """An extractor of meltano.yml and the streams that it selects there."""

    source: str
    streams: tuple[str, ...]
    # Properties that meltano.yml deselects, as stream.property.
    without: frozenset[str]
    # How far before its bookmark the source is read again by default.
    lookback: dt.timedelta | None = None

    @property
    def name(self) -> str:
        """The name of the extractor; Meltano calls the schema of its tables by the source again."""
        return self.source.replace("_", "-")


PLUGINS = (
    Plugin(
        "saasoptics",
        ("customers", "contracts", "invoices", "accounts"),
        frozenset({"customers.notes", "invoices.memo"}),
    ),
    Plugin("zoho_crm", ("contacts", "deals", "users"), frozenset({"contacts.Description"})),
    Plugin(
        "slascone",
        ("products", "customers", "licenses", "consumption_heartbeats"),
        frozenset({"customers.logo"}),
        lookback=dt.timedelta(hours=24),
    ),
    Plugin(
        "accountview",
        ("debtors", "ledger_accounts", "journal_pages", "journal_lines"),
        frozenset({"debtors.IBAN_NR"}),
    ),
    Plugin(
        "exact_online",
        ("sync_crm_accounts", "crm_account_classifications", "vat_vat_codes"),
        frozenset({"sync_crm_accounts.Remarks"}),
    ),
    Plugin(
        "buchhaltungsbutler",
        ("receipts", "transactions", "postings", "debtors"),
        frozenset({"debtors.iban"}),
    ),
)
BY_SOURCE = {plugin.source: plugin for plugin in PLUGINS}
# Each command of Meltano takes seconds: the source that has to be asked for its
# catalog stands for all, and so does the one whose bookmarks are kept by division.
ASKED, DIVIDED = BY_SOURCE["zoho_crm"], BY_SOURCE["exact_online"]


class Warehouse(MeltanoLabsPostgres):
    """The loader of the project, which Meltano tells to call each schema by the extractor."""

    prefix = ""


@dataclass
class Table:
    """One stream that is loaded, and what came of it."""

    plugin: Plugin
    stream: Stream
    full: bool
    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    first: int = 0
    changed: int = 0
    second: int = 0


@dataclass
class Trial:
    """The project at work."""

    tap: Path
    meltano: Path
    work: Path
    sandbox: Sandbox
    warehouse: Warehouse
    findings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> list[Table]:
        self.project = self.work / "project"
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(PROJECT, self.project, ignore=shutil.ignore_patterns(".env", ".meltano"))
        self.environment = self.settings()
        self.truths = {p: Truths(self.sandbox, p.source, self.work / "truth" / p.source) for p in PLUGINS}

        self.definitions()
        self.ask("install", "install")
        tables = [table for plugin in PLUGINS for table in self.tables(plugin)]
        self.selection(ASKED)
        said = self.ask("config test", "config", "test", ASKED.name)
        if "Plugin configuration is valid" not in said:
            self.find(f"config test {ASKED.name}: {said[-300:]}")

        first = self.load(1, tables)
        again = [self.repeated(table) for table in tables]
        self.change(tables)
        begun = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        second = self.load(2, tables)
        for i, table in enumerate(tables):
            self.incremental(table, first[i], second[i], again[i], begun)
        self.states()
        self.refusal()
        return tables

    # Settings and definitions

    def settings(self) -> dict[str, str]:
        """The environment of a user who has filled in .env.example."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.on_path()), str(self.meltano.parent), os.environ["PATH"]]),
            "NO_COLOR": "1",
            "TARGET_POSTGRES_HOST": "127.0.0.1",
            "TARGET_POSTGRES_PORT": str(self.warehouse.services.postgres.port),
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
        """The files are what the command prints, so that they cannot rot, and .env.example has settings of theirs."""
        known = set(self.environment)
        for plugin in PLUGINS:
            path = PROJECT / "plugins" / f"{plugin.source}.meltano.yml"
            printed = definition.printed(self.tap, plugin.source)
            if path.read_text() != printed:
                self.find(
                    f"plugins/{path.name} is not what the tap prints: write it anew with python3 -m runner.definition"
                )
            settings = re.findall(r"^    - name: (\w+)$", printed, re.MULTILINE)
            known |= {f"TAP_{plugin.source}_{setting}".upper() for setting in settings}
        named = re.findall(r"^(\w+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
        if unknown := set(named) - known:
            self.find(f".env.example has what is no setting: {sorted(unknown)}")

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

    def tables(self, plugin: Plugin) -> list[Table]:
        """The tables that a plugin's catalog makes; one catalog comes by way of Meltano."""
        if plugin is ASKED:
            found = self.ask("invoke --discover", "invoke", plugin.name, "--discover")
        else:
            found = subprocess.check_output(
                [self.tap, plugin.source, "--config", self.sandbox.path(plugin.source), "--discover"], text=True
            )
        catalog = {entry["stream"]: entry for entry in json.loads(found)["streams"]}
        if missing := set(plugin.streams) - set(catalog):
            raise Failed(f"{plugin.name}: not discovered: {missing}")
        return [self.table(plugin, catalog[name]) for name in plugin.streams]

    def table(self, plugin: Plugin, entry: Row) -> Table:
        """A table with the columns that are left of a catalog entry."""
        name, properties = entry["stream"], entry["schema"]["properties"]
        columns = [Column.of(k, v) for k, v in properties.items() if f"{name}.{k}" not in plugin.without]
        left_out = sum(1 for which in plugin.without if which.startswith(f"{name}."))
        if len(columns) + left_out != len(properties):
            self.find(f"{plugin.name}: {name} has not every property that is deselected")
        stream = Stream(name, entry["key_properties"], columns, frozenset(properties), entry.get("replication_key"))
        return Table(plugin, stream, full=entry["replication_method"] == "FULL_TABLE")

    def selection(self, plugin: Plugin) -> None:
        """select --list shows what meltano.yml chooses, and not what it deselects."""
        listed = self.ask("select --list", "select", plugin.name, "--list")
        chosen = set(re.findall(r"\[(?:selected|automatic)\s*\] (\S+)", listed))
        if missing := set(plugin.streams) - {name.split(".")[0] for name in chosen}:
            self.find(f"select {plugin.name}: {missing} not selected")
        if odd := plugin.without & chosen:
            self.find(f"select {plugin.name}: {sorted(odd)} selected")

    def load(self, phase: int, tables: list[Table]) -> list[Wanted]:
        """meltano run of everything, then the tables against the truth; gives what each must have."""
        for plugin, truths in self.truths.items():
            truths.before(phase, plugin.streams)
        blocks = [word for plugin in PLUGINS for word in (plugin.name, "target-postgres")]
        counts = self.written(self.ask(f"run {phase}", "run", *blocks))
        for plugin, truths in self.truths.items():
            truths.after(phase, plugin.streams)
            self.warehouse.loaded(plugin.source, phase)
        begun = time.monotonic()
        wanted = [self.compare(phase, table, counts) for table in tables]
        self.seconds["compare"] = self.seconds.get("compare", 0) + time.monotonic() - begun
        return wanted

    def compare(self, phase: int, table: Table, counts: dict[tuple[str, str], int]) -> Wanted:
        """Hold a table against the truth."""
        count = counts.get((table.plugin.name, table.stream.name), 0)  # no row at all, no counter
        if phase == 1:
            table.first = count
        else:
            table.second = count
        source, stream = table.plugin.source, table.stream
        want = self.truths[table.plugin].wanted(stream, phase)
        found = Comparison(self.warehouse, source, stream, want, []).run(table.first + table.second)
        table.rows = found.rows
        table.tally.add(found)
        return want

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

    # What the second run wrote

    def change(self, tables: list[Table]) -> None:
        """Change, insert and delete rows of the large streams, and change those of the small ones."""
        for plugin in PLUGINS:
            reports = self.sandbox.change(plugin.source, rows=CHANGED, insert=INSERTED, delete=DELETED)
            large = {report["stream"] for report in reports}
            for table in tables:
                # A list without a time of change may not change by itself.
                if table.plugin is plugin and table.stream.name not in large and not table.full:
                    self.sandbox.change(plugin.source, stream=table.stream.name, rows=CHANGED, insert=INSERTED)

    def rows(self, table: Table) -> dict[Key, Row]:
        """What is in a table."""
        rows = self.warehouse.rows(table.plugin.source, table.stream.name)
        return {tuple(self.value(table, row, name) for name in table.stream.key): row for row in rows}

    def value(self, table: Table, row: Row, name: str) -> Value:
        column = next(c for c in table.stream.columns if c.name == name)
        return self.warehouse.value(column, row[name])

    def repeated(self, table: Table) -> set[Key]:
        """The rows that an incremental run may write again: those at the bookmark of their
        division or within the lookback before it, and those without a replication value."""
        rows, cursor = self.rows(table), table.stream.cursor
        if table.full or cursor is None:
            return set(rows)
        at = {key: (row.get("_division"), self.value(table, row, cursor)) for key, row in rows.items()}
        latest: dict[Any, Value] = {}
        for part, value in at.values():
            if value is not None:
                latest[part] = max(latest.get(part, value), value)
        if back := table.plugin.lookback:
            latest = {part: value - back for part, value in latest.items()}
        return {key for key, (part, value) in at.items() if value is None or value >= latest[part]}

    def incremental(self, table: Table, first: Wanted, second: Wanted, again: set[Key], begun: str) -> None:
        """The second run wrote nothing without need; that it wrote all that it had to, the values tell."""
        changed = second.earlier.keys() | (second.records.keys() - first.records.keys())
        table.changed = len(changed)
        where = f"run 2: {table.plugin.name}.{table.stream.name}"
        fresh = {key for key, row in self.rows(table).items() if row["_sdc_batched_at"] >= begun}
        if more := fresh - changed - again:
            self.find(f"{where}: {len(more)} written again without need: {sorted(map(str, more))[:5]}")
        if not table.full and not changed:
            self.find(f"{where}: no row changed, so that the run shows nothing")

    def states(self) -> None:
        """Meltano has kept a state for each pair; one is looked at, with its partitions."""
        listed = self.ask("state list", "state", "list")
        said = self.ask("state get", "state", "get", f"prod:{DIVIDED.name}-to-target-postgres")
        state = re.search(r"^\{.*\}$", said, re.MULTILINE)
        kept: dict[str, Any] = json.loads(state[0]) if state else {}
        bookmarks = kept.get("singer_state", kept).get("bookmarks", {})
        if set(bookmarks) != set(DIVIDED.streams) or not all(len(b["partitions"]) == 2 for b in bookmarks.values()):
            self.find(f"state of {DIVIDED.name}: {said[-300:]}")
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


def main(tap: Path, folder: Path) -> int:
    """Run it; 1 on any finding."""
    work = folder / "runner"
    with ExitStack() as stack:
        services = Services(Environments(folder / "venvs"), work)
        stack.callback(services.stop)
        meltano = services.environments.program("meltano", "meltano")
        sandbox = Sandbox(tap, work / "sandbox", RECORDS, tuple(BY_SOURCE))
        stack.callback(sandbox.stop)
        trial = Trial(tap, meltano, work, sandbox, Warehouse(services))
        tables = trial.run()

    version = subprocess.check_output([meltano, "--version"], text=True).strip()
    print(f"{version}; {', '.join(f'{what} {seconds:.0f} s' for what, seconds in trial.seconds.items())}\n")
    tallies = {(t.plugin.name, t.stream.name): t.tally for t in tables}
    print(f"{report.findings(tallies)}\n\nWhat is not as the truth has it, and why:\n{report.excused(tallies)}\n")
    print("| extractor | stream | rows | run 1 | changed | run 2 | values compared | excused | findings |")
    print("|---|---|---|---|---|---|---|---|---|")
    for t in tables:
        excused = sum(t.tally.excused.values())
        counts = (t.rows, t.first, t.changed, t.second, t.tally.values, excused, t.tally.failed)
        print(f"| {t.plugin.name} | {t.stream.name} | {' | '.join(f'{n:,}' for n in counts)} |")
    for what in trial.findings:
        print(f"FOUND {what}", file=sys.stderr)
    return 1 if trial.findings or any(t.tally.failed for t in tables) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
    except Failed as err:
        sys.exit(f"e2e: {err}")
