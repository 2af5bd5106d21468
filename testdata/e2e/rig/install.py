"""Makes what the parts need: virtual environments, each from its lock file, and PostgreSQL.

Nothing is expected to be there but a Python with venv, and on Debian the right
to install packages. What is there already is used as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

from .programs import Failed, run

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
MINUTES = 60.0
# Packages that ask for an older Python than there is, and work with this one.
UNWILLING = ("tap-exact",)
# A slow registry is not a finding.
TRIES = 3
_updated = False


class Environments:
    """Virtual environments below one folder, each with the packages of one lock file."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is kept between runs."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def program(self, lock: str, program: str) -> Path:
        """Return a program of the environment of that lock file, which is made if need be."""
        return self.make(lock) / "bin" / program

    def make(self, lock: str) -> Path:
        """Return the environment of that lock file."""
        wanted = REQUIREMENTS / f"{lock}.txt"
        env, stamp = self._folder / lock, self._folder / lock / "made-of"
        digest = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == digest:
            return env
        shutil.rmtree(env, ignore_errors=True)
        if lock == "tools":
            _venv(env)
            _thrice([env / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", wanted])
        else:
            uv = self.program("tools", "uv")
            python = env / "bin" / "python"
            run([uv, "venv", "--quiet", "--python", sys.executable, env], MINUTES)
            if lock in UNWILLING:
                pip = [self.program("tools", "python"), "-m", "pip", "--python", python]
                _thrice([*pip, "install", "--quiet", "--no-deps", "--ignore-requires-python", "-r", wanted])
            else:
                _thrice([uv, "pip", "install", "--quiet", "--python", python, "-r", wanted])
        stamp.write_text(digest)
        return env


def _thrice(command: list[str | Path]) -> None:
    for left in reversed(range(TRIES)):
        try:
            run(command, 10 * MINUTES)
            return
        except Failed:
            if left == 0:
                raise
            time.sleep(5)


def _venv(env: Path) -> None:
    try:
        run([sys.executable, "-m", "venv", env], MINUTES)
    except Failed:
        # Debian keeps venv in a package of its own.
        debian("python3-venv")
        shutil.rmtree(env, ignore_errors=True)
        run([sys.executable, "-m", "venv", env], MINUTES)


def debian(*packages: str) -> None:
    """Install packages of Debian, and start no service of theirs."""
    global _updated
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Failed(f"{' '.join(packages)} is missing, and only root on Debian could install it here")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    if not _updated:
        run(["apt-get", "update", "-qq"], 5 * MINUTES, **quiet)
        _updated = True
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], 10 * MINUTES, **quiet)


def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs, installed if need be."""
    if not (found := _find_postgres()):
        debian("postgresql")
        found = _find_postgres()
    if not found:
        raise Failed("PostgreSQL is installed, and initdb is nowhere")
    return found


def _find_postgres() -> Path | None:
    if path := shutil.which("initdb"):
        return Path(path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    return found[-1].parent if found else None
