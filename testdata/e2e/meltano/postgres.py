"""A throw-away PostgreSQL on a loopback port, gone with the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox import parse

# Debian keeps the server's programs off the PATH.
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Postgres:
    """A server with one empty database; a context manager."""

    user = "warehouse"
    database = "warehouse"

    def __init__(self) -> None:
        install()
        # Not below the work directory: the server's own user has to get there.
        self._root = Path(tempfile.mkdtemp(prefix="e2e-postgres-"))
        self._as: list[str] = []
        if os.geteuid() == 0:  # the server refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self._root, owner.pw_uid, owner.pw_gid)
            self._as = ["runuser", "-u", "postgres", "--"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> Postgres:
        data, log = self._root / "data", self._root / "log"
        self._run("initdb", "-D", data, "-U", self.user, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", settings, "start")
        self._sql("postgres", f"CREATE DATABASE {self.database}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._run("pg_ctl", "-D", self._root / "data", "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def rows(self, schema: str, table: str) -> list[dict[str, Any]]:
        """All rows of a table, numbers with their digits."""
        found = self._sql(self.database, f'SELECT row_to_json(t) FROM "{schema}"."{table}" t')
        return [parse(line) for line in found.split("\n") if line]

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """The type of each column."""
        found = self._sql(
            self.database,
            f"SELECT column_name || '=' || data_type FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name = '{table}'",
        )
        return dict(line.split("=", 1) for line in found.splitlines())

    def _sql(self, database: str, statement: str) -> str:
        psql = program("psql")
        command = [
            psql,
            "-X",
            "-q",
            "-A",
            "-t",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            self.user,
            "-v",
            "ON_ERROR_STOP=1",
            database,
        ]
        return subprocess.run([*command, "-c", statement], check=True, capture_output=True, text=True).stdout

    def _run(self, name: str, *arguments: str | Path) -> None:
        with (self._root.parent / f"{self._root.name}.{name}.log").open("w+") as told:
            # A file: a pipe would stay open as long as the server runs.
            run = subprocess.run([*self._as, program(name), *arguments], stdout=told, stderr=subprocess.STDOUT, cwd="/")
            told.seek(0)
            said = told.read()
        Path(told.name).unlink()
        if run.returncode != 0:
            raise RuntimeError(f"{name}: {said.strip()}")


def program(name: str) -> str:
    """The path of one of the server's programs."""
    path = os.pathsep.join([*map(str, reversed(DEBIAN)), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def install() -> None:
    """Installs Debian's package if the server's programs are not there."""
    global DEBIAN
    try:
        program("initdb"), program("psql")
        return
    except RuntimeError:
        pass
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another script may be installing at the same time.
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run([*apt, "update"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    subprocess.run([*apt, "install", "-y", "--no-install-recommends", "postgresql"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
