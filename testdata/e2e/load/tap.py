"""The tap, run as a user would."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from rig.programs import Failed, run, tail
from rig.sandbox import Sandbox

from .schema import Output, read_output

RUNS_WITHIN = 600


class Tap:
    """The tap on one source."""

    def __init__(self, program: Path, sandbox: Sandbox, source: str, folder: Path) -> None:
        """Prepare its files below folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.source = source
        self._folder = folder
        more = folder / "config.json"
        # The tokens of this run are kept apart from a user's own.
        more.write_text(json.dumps({"token_store": str(folder / "tokens.json")}))
        self._command = [str(program), source, "--config", str(sandbox.path(source)), "--config", str(more)]
        self.catalog = folder / "catalog.json"

    def discover(self) -> None:
        """Write the catalog."""
        self.catalog.write_text(run([*self._command, "--discover"], RUNS_WITHIN), encoding="utf-8")

    def command(self, state: Path | None) -> list[str]:
        """Return the words of a sync of all default streams."""
        words = [*self._command, "--catalog", str(self.catalog), "--log-level", "warn"]
        return words if state is None else [*words, "--state", str(state)]

    def sync(self, name: str, state: Path | None, known: dict[str, frozenset[str]]) -> Output:
        """Run the tap once; what it writes stays in a file."""
        path, log = self._folder / f"{name}.jsonl", self._folder / f"{name}.log"
        with path.open("wb") as out, log.open("wb") as err:
            code = subprocess.run(
                self.command(state), stdout=out, stderr=err, timeout=RUNS_WITHIN, check=False
            ).returncode
        if code != 0:
            raise Failed(f"the tap of {self.source}: exit {code}: {tail(log)}")
        return read_output(path, known)
