"""A PostgreSQL of our own on a loopback port, gone without a trace when it is stopped."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .programs import Failed, run, tail

USER = "loader"
DATABASE = "loader"
# JSON escapes control characters, so these never occur in it: each line of a
# COPY is then the bare JSON of one row.
_QUOTE, _DELIMITER = r"e'\x01'", r"e'\x02'"
# It is thrown away: nothing of it has to survive a crash.
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}


class Postgres:
    """One server with one database, until it is stopped."""

    def __init__(self, programs: Path) -> None:
        """Make and start it, as another user if this one is root, who may not."""
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="e2e-postgres-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            self._as = ["runuser", "-u", "postgres", "--"]
        self.port = _free_port()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        data = self._folder / "data"
        self._run("initdb", "-D", data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        options = " ".join(f"-c {k}='{v}'" for k, v in _OPTIONS.items())
        log = self._folder / "log"
        try:
            self._run("pg_ctl", "-D", data, "-l", log, "-o", f"-p {self.port} {options}", "-w", "-t", "60", "start")
        except Failed as err:
            raise Failed(f"{err}; {tail(log)}") from err
        self._psql("-d", "postgres", "-c", f"create database {DATABASE}")

    def _run(self, program: str, *words: str | Path) -> None:
        # A server that a captured pg_ctl starts keeps the pipe open, so its output goes nowhere.
        done = subprocess.run(
            [*self._as, str(self._programs / program), *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            text=True,
            timeout=120,
            cwd=self._folder,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"{program}: exit {done.returncode} {done.stderr or ''}")

    def _psql(self, *words: str) -> str:
        return run([*self._connect(), *words], 120)

    def _connect(self) -> list[str]:
        return [
            str(self._programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
            "-h", "127.0.0.1", "-p", str(self.port), "-U", USER,
        ]  # fmt: skip

    def tables(self, schema: str) -> set[str]:
        """Return the tables of a schema."""
        query = f"select table_name from information_schema.tables where table_schema = '{schema}'"
        return set(self._psql("-d", DATABASE, "-c", query).split())

    def rows(self, schema: str, table: str) -> Iterator[str]:
        """Return each row as a line of JSON."""
        query = (
            f'copy (select row_to_json(t) from "{schema}"."{table}" t) to stdout '
            f"(format csv, quote {_QUOTE}, delimiter {_DELIMITER})"
        )
        with subprocess.Popen(
            [*self._connect(), "-d", DATABASE, "-c", query], stdout=subprocess.PIPE, text=True, encoding="utf-8"
        ) as process:
            assert process.stdout is not None
            yield from process.stdout
        if process.returncode != 0:
            raise Failed(f"{schema}.{table} cannot be read from PostgreSQL")

    def stop(self) -> None:
        """Stop the server and remove its data."""
        data = self._folder / "data"
        if (data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
