"""Starts programs, and ends those that it started."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


class Failed(Exception):
    """Something that must hold does not; the text is for people."""


def run(command: Sequence[str | Path], timeout: float, **more: str) -> str:
    """Run a helper to its end and return its stdout; Failed with its last line otherwise."""
    words = [str(w) for w in command]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout, env={**os.environ, **more}, check=False
        )
    except FileNotFoundError as err:
        raise Failed(f"{words[0]}: {err.strerror}") from err
    except subprocess.TimeoutExpired as err:
        raise Failed(f"{_short(words)}: no end within {timeout:.0f} s") from err
    if done.returncode != 0:
        raise Failed(f"{_short(words)}: exit {done.returncode}: {last_line(done.stderr or done.stdout)}")
    return done.stdout


def _short(words: list[str]) -> str:
    return " ".join(Path(word).name for word in words if not word.startswith("-"))


def last_line(text: str) -> str:
    """Return the last line that says something, the last that names an error before others."""
    lines = [line.strip() for line in text.splitlines() if any(map(str.isalnum, line))]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["(nothing said)"])[-1]


def tail(path: Path) -> str:
    """Return the last line of a log."""
    return last_line(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else "(no log)"


def stop(process: subprocess.Popen[str] | subprocess.Popen[bytes], patience: float = 10) -> None:
    """End a process that this program started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def say(text: str) -> None:
    """Tell how far the run is."""
    print(text, flush=True)
