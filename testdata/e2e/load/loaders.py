"""The loaders: how each is set up, where it puts rows, and how they are read back."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from rig import postgres
from rig.install import Environments, postgres_programs
from rig.programs import Failed, run

from .feed import feed
from .rules import DOUBLE, EMPTY_IS_NULL, ESCAPED, LITERAL, Rule
from .schema import Column
from .values import Json, Value, is_number, parse, read_instant

Row = dict[str, Any]
_BOOLEANS = {"true": True, "false": False, "True": True, "False": False}


class Services:
    """What loaders share: environments, one PostgreSQL, a folder for what they keep."""

    def __init__(self, environments: Environments, folder: Path) -> None:
        """Start nothing yet."""
        self.environments = environments
        self.folder = folder
        self._postgres: postgres.Postgres | None = None

    @property
    def postgres(self) -> postgres.Postgres:
        """Return the server, started when it is first needed."""
        if self._postgres is None:
            self._postgres = postgres.Postgres(postgres_programs())
        return self._postgres

    def stop(self) -> None:
        """Stop what was started."""
        if self._postgres is not None:
            self._postgres.stop()


class Loader(ABC):
    """A real loader, unmodified, with the options of its documentation."""

    name: str
    program: str
    # Rows are added, never replaced: of several with one key the last one counts.
    appends = False
    rules: tuple[Rule, ...] = ()
    # The first row of a batch may be lost; a load is one batch for each table here.
    loses_first = False

    def __init__(self, services: Services) -> None:
        """Take what loaders share."""
        self.services = services

    def install(self) -> None:
        """Install what the loader needs; Failed says why it cannot be had."""
        self.services.environments.make(self.name)

    def command(self, source: str, phase: int) -> list[str]:
        """Write the config of a load and return its words."""
        folder = self.folder(source)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / f"config-{phase}.json"
        config.write_text(json.dumps(self.config(source, phase), indent=2), encoding="utf-8")
        program = self.services.environments.program(self.name, self.program)
        return [str(program), "--config", str(config)]

    def folder(self, source: str) -> Path:
        """Return where the loader's own files of a source are."""
        return self.services.folder / source / self.name

    @abstractmethod
    def config(self, source: str, phase: int) -> dict[str, Any]:
        """Return the loader's options."""

    @abstractmethod
    def rows(self, source: str, stream: str) -> Iterator[Row]:
        """Return all rows of a table; none where there is no table."""

    def loaded(self, source: str, phase: int) -> None:
        """Do once after each load what reading needs."""

    def column(self, name: str) -> str:
        """Return the loader's name of a property."""
        return name

    def value(self, column: Column, raw: Any) -> Value:
        """Turn what the loader has into a typed value; what cannot be is returned as it is."""
        if raw is None:
            return None
        try:
            return self._typed(column, raw)
        except (ValueError, InvalidOperation):
            return raw

    def _typed(self, column: Column, raw: Any) -> Value:
        match column.kind:
            case "string":
                return raw
            case "number" | "integer":
                return raw if is_number(raw) else Decimal(raw)
            case "boolean":
                return _BOOLEANS.get(raw, raw)
            case "date-time":
                at = read_instant(raw, dt.UTC)
                return raw if at is None else at
            case "date":
                return dt.date.fromisoformat(raw)
        return Json(parse(raw) if isinstance(raw, str) else raw)


class Jsonl(Loader):
    """andyh1203/target-jsonl: a file a stream, a record a line."""

    name = "target-jsonl"
    program = "target-jsonl"
    appends = True

    def config(self, source: str, phase: int) -> dict[str, Any]:
        """Return the loader's options."""
        return {"destination_path": str(self.folder(source) / "rows"), "do_timestamp_file": False}

    def rows(self, source: str, stream: str) -> Iterator[Row]:
        """Return all rows of a table; none where there is no table."""
        return _lines(self.folder(source) / "rows" / f"{stream}.jsonl")


class Csv(Loader):
    """MeltanoLabs/target-csv: a file a stream, begun anew by each load."""

    name = "meltanolabs-target-csv"
    program = "target-csv"
    appends = True
    rules = (LITERAL, EMPTY_IS_NULL)

    def config(self, source: str, phase: int) -> dict[str, Any]:
        """Return the loader's options."""
        return {"output_path": str(self.folder(source) / f"rows-{phase}")}

    def rows(self, source: str, stream: str) -> Iterator[Row]:
        """Return all rows of a table; none where there is no table."""
        for folder in sorted(self.folder(source).glob("rows-*")):
            path = folder / f"{stream}.csv"
            if path.exists():
                with path.open(encoding="utf-8", newline="") as file:
                    # CSV has one way to write nothing; nobody can tell null from empty text.
                    yield from ({k: v or None for k, v in row.items()} for row in csv.DictReader(file))

    def _typed(self, column: Column, raw: Any) -> Value:
        return raw if column.nested else super()._typed(column, raw)


class _Postgres(Loader):
    program = "target-postgres"
    prefix: str

    def __init__(self, services: Services) -> None:
        """Take what loaders share."""
        super().__init__(services)
        self._tables: dict[str, set[str]] = {}

    def install(self) -> None:
        """Install what the loader needs; Failed says why it cannot be had."""
        super().install()
        assert self.services.postgres

    def loaded(self, source: str, phase: int) -> None:
        """Look once which tables there are."""
        self._tables[source] = self.services.postgres.tables(self.prefix + source)

    def config(self, source: str, phase: int) -> dict[str, Any]:
        """Return the loader's options."""
        return {
            "host": "127.0.0.1",
            "port": self.services.postgres.port,
            "user": postgres.USER,
            "password": "any",  # asked for by the loaders, and not by the server
            "default_target_schema": self.prefix + source,
        }

    def rows(self, source: str, stream: str) -> Iterator[Row]:
        """Return all rows of a table; none where there is no table."""
        if stream not in self._tables[source]:
            return iter(())
        return map(parse, self.services.postgres.rows(self.prefix + source, stream))


class MeltanoLabsPostgres(_Postgres):
    """MeltanoLabs/target-postgres, built with the SDK."""

    name = "meltanolabs-target-postgres"
    prefix = "sdk_"

    def config(self, source: str, phase: int) -> dict[str, Any]:
        """Return the loader's options."""
        return {**super().config(source, phase), "database": postgres.DATABASE}


class PipelinewisePostgres(_Postgres):
    """transferwise/pipelinewise-target-postgres."""

    name = "pipelinewise-target-postgres"
    prefix = "ppw_"
    rules = (EMPTY_IS_NULL, ESCAPED, DOUBLE)

    def config(self, source: str, phase: int) -> dict[str, Any]:
        """Return the loader's options."""
        return {**super().config(source, phase), "dbname": postgres.DATABASE}

    def column(self, name: str) -> str:
        """Return the loader's name of a property."""
        return name.lower()


class DuckDB(Loader):
    """jwills/target-duckdb."""

    name = "target-duckdb"
    program = "target-duckdb"
    rules = (EMPTY_IS_NULL, DOUBLE)
    # Its COPY lets DuckDB guess whether the first line is a header. No option says that there is none.
    loses_first = True

    def config(self, source: str, phase: int) -> dict[str, Any]:
        """Return the loader's options."""
        return {"path": str(self._file(source)), "default_target_schema": "main"}

    def _file(self, source: str) -> Path:
        return self.folder(source) / "tables.duckdb"

    def loaded(self, source: str, phase: int) -> None:
        """Write all tables down, by the only Python that has DuckDB."""
        python = self.services.environments.program(self.name, "python")
        script = Path(__file__).with_name("duckdb_rows.py")
        run([python, script, self._file(source), "main", self.folder(source) / "rows"], 600)

    def rows(self, source: str, stream: str) -> Iterator[Row]:
        """Return all rows of a table; none where there is no table."""
        return _lines(self.folder(source) / "rows" / f"{stream}.jsonl")

    def column(self, name: str) -> str:
        """Return the loader's name of a property."""
        return name.lower()


def _lines(path: Path) -> Iterator[Row]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(parse, lines)


LOADERS: tuple[type[Loader], ...] = (Jsonl, MeltanoLabsPostgres, PipelinewisePostgres, DuckDB, Csv)

# Loaders that cannot be had, or not used, with this Python: tried each time, so
# that the report says why, and that one of them came back.
TRIED = {"target-csv": "target-csv", "target-parquet": "target-parquet"}
_SMALL = (
    '{"type":"SCHEMA","stream":"s","schema":{"type":"object","properties":{"id":{"type":"integer"}}},"key_properties":["id"]}\n'
    '{"type":"RECORD","stream":"s","record":{"id":1}}\n'
    '{"type":"STATE","value":{}}\n'
)


def attempt(name: str, environments: Environments, folder: Path) -> str:
    """Install a loader and feed it one record; return what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        program = environments.program(name, TRIED[name])
    except Failed as err:
        return f"does not install: {err}"
    config, lines = folder / f"{name}.json", folder / "one.jsonl"
    config.write_text(json.dumps({"destination_path": str(folder), "disable_collection": True}), encoding="utf-8")
    lines.write_text(_SMALL, encoding="utf-8")
    try:
        feed(lines, [str(program), "--config", str(config)], folder / f"{name}.log")
    except Failed as err:
        return f"installs and does not run: {err}"
    return f"works with Python {sys.version.split()[0]} again: add it to LOADERS"
