"""Writes the rows of all tables as JSON, one a line: run by the Python of target-duckdb, which has DuckDB.

usage: duckdb_rows.py FILE SCHEMA FOLDER. Every value is DuckDB's own text of it.
"""

import json
import sys
from pathlib import Path

import duckdb


def main(file: str, schema: str, folder: Path) -> None:
    """Write FOLDER/TABLE.jsonl for each table."""
    folder.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect(file, read_only=True)
    columns: dict[str, list[str]] = {}
    query = "select table_name, column_name from information_schema.columns where table_schema = ?"
    for table, column in db.execute(query, [schema]).fetchall():
        columns.setdefault(table, []).append(column)
    for table, names in columns.items():
        texts = ", ".join(f'cast("{name}" as varchar)' for name in names)
        found = db.execute(f'select {texts} from "{schema}"."{table}"')
        with (folder / f"{table}.jsonl").open("w", encoding="utf-8") as out:
            while rows := found.fetchmany(1000):
                for row in rows:
                    out.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
