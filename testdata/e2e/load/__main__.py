"""Runs every default stream of every source through every loader, twice, and compares.

usage: python3 -m load PROGRAM FOLDER, with testdata/e2e on PYTHONPATH.
E2E_LOADERS and E2E_SOURCES restrict what is run (separated by commas or blanks);
E2E_RECORDS is the size of the large streams.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rig.install import Environments
from rig.programs import Failed, say
from rig.sandbox import Sandbox

from . import report
from .compare import Tally
from .facts import SOURCES
from .feed import stop_all
from .loaders import LOADERS, TRIED, Loader, Services, attempt
from .phases import Phases
from .tap import Tap

# More than one page of Exact's sync streams (1,000 rows) in each division.
RECORDS = 1050


def main(program: Path, folder: Path) -> int:
    """Run all; 1 if anything is not as it should be."""
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, _terminate)
    sources = _restricted("E2E_SOURCES", SOURCES)
    names = _restricted("E2E_LOADERS", [kind.name for kind in LOADERS])
    work = folder / "load"
    shutil.rmtree(work, ignore_errors=True)
    tallies: dict[tuple[str, str], Tally] = {}
    with ExitStack() as stack:
        services = Services(Environments(folder / "venvs"), work)
        stack.callback(services.stop)
        loaders, refused = _install(names, services)
        missing = bool(refused)
        if len(names) == len(LOADERS):
            refused |= {name: attempt(name, services.environments, work / "tried") for name in TRIED}
        say(f"installed after {time.monotonic() - begun:.0f} s: {', '.join(loader.name for loader in loaders)}")
        sandbox = Sandbox(program, work / "sandbox", int(os.environ.get("E2E_RECORDS", RECORDS)))
        stack.callback(sandbox.stop)
        for source in sources:
            phases = Phases(Tap(program, sandbox, source, work / source), sandbox, loaders, work / source)
            tallies |= {(loader.name, source): tally for loader, tally in phases.tallies.items()}
            phases.second(phases.first())
    print(report.findings(tallies))
    print(f"\nWhat is not as the truth has it, and why:\n{report.excused(tallies)}\n")
    for name, why in refused.items():
        print(f"cannot be had: {name}: {why}")
    print(f"\n{report.table(tallies)}\n\nall: {time.monotonic() - begun:.0f} s")
    return 1 if missing or not tallies or any(tally.failed for tally in tallies.values()) else 0


def _restricted(variable: str, names: Iterable[str]) -> list[str]:
    """Return what the environment restricts a list of names to."""
    names = list(names)
    wish = os.environ.get(variable, "").replace(",", " ").split()
    if unknown := set(wish) - set(names):
        raise Failed(f"{variable}: no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return [name for name in names if name in wish] if wish else names


def _install(names: list[str], services: Services) -> tuple[list[Loader], dict[str, str]]:
    """Return the loaders that can be had, and why others cannot."""
    loaders: list[Loader] = []
    refused: dict[str, str] = {}
    for kind in LOADERS:
        if kind.name in names:
            loader = kind(services)
            try:
                loader.install()
                loaders.append(loader)
            except Failed as err:
                refused[loader.name] = str(err)
    return loaders, refused


def _terminate(number: int, _: Any) -> None:
    stop_all()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
    except Failed as err:
        sys.exit(f"e2e: {err}")
