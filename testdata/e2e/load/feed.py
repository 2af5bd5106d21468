"""Feeds a loader: from a file with the tap's bytes, or by a pipe from the tap."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import IO

from rig.programs import Failed, stop, tail

LOADS_WITHIN = 900.0
_running: list[subprocess.Popen[bytes]] = []


def feed(lines: Path, words: list[str], log: Path) -> str:
    """Run a loader on a file; return what it printed."""
    with lines.open("rb") as file, log.open("wb") as err:
        loader = _start(words, file, err, log.parent)
        printed = _printed(loader, [loader])
    if loader.returncode != 0:
        raise Failed(f"exit {loader.returncode}: {tail(log)}")
    return printed


def pipe(tap: list[str], words: list[str], log: Path) -> str:
    """Run tap | loader; return what the loader printed. Both must end with 0."""
    with log.open("wb") as err:
        source = _start(tap, subprocess.DEVNULL, err, log.parent)
        assert source.stdout is not None
        loader = _start(words, source.stdout, err, log.parent)
        source.stdout.close()  # it is the loader's now
        printed = _printed(loader, [loader, source])
    if loader.returncode or source.returncode:
        raise Failed(f"the tap's exit {source.returncode}, the loader's {loader.returncode}: {tail(log)}")
    return printed


def stop_all() -> None:
    """End what is running, so that whoever waits for it need not wait longer."""
    for process in list(_running):
        stop(process)


def _start(words: list[str], stdin: IO[bytes] | int, err: IO[bytes], folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=err, cwd=folder)
    _running.append(process)
    return process


def _printed(loader: subprocess.Popen[bytes], all_of_them: list[subprocess.Popen[bytes]]) -> str:
    """Wait for the end of all; return what the loader printed."""
    try:
        printed, _ = loader.communicate(timeout=LOADS_WITHIN)
        for process in all_of_them:
            process.wait(LOADS_WITHIN)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"no end within {LOADS_WITHIN:.0f} s") from late
    finally:
        for process in all_of_them:
            stop(process)
            _running.remove(process)
    return printed.decode()
