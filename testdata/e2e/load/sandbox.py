"""The sandbox, and the tap that reads it."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from .programs import Failed, run, stop, tail
from .schema import Output, read_output

STARTS_WITHIN = 60
RUNS_WITHIN = 600


class Sandbox:
    """The stand-ins of all services on one loopback port, limits off."""

    def __init__(self, program: Path, folder: Path, records: int) -> None:
        """Start it; the configs are in folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._log = folder / "sandbox.log"
        command = [program, "sandbox", "--limits", "off", "--records", str(records), "--write-config", folder]
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            self.stop()
            raise Failed(f"the sandbox did not start: {tail(self._log)}")

    def stop(self) -> None:
        """End it."""
        stop(self._process)

    def config(self, source: str) -> Path:
        """Return the config that the sandbox wrote for a source."""
        return self.folder / f"{source}.json"

    def truth(self, source: str, stream: str, to: Path) -> None:
        """Write down every row of a stream that is there now."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with self._ask(source, "truth", "GET", stream=stream) as answer, to.open("wb") as file:
            while part := answer.read(1 << 20):
                file.write(part)

    def change(self, source: str, rows: int, insert: int, delete: int) -> list[dict[str, Any]]:
        """Change rows of every large stream of a source."""
        with self._ask(source, "change", "POST", rows=str(rows), insert=str(insert), delete=str(delete)) as answer:
            changes: list[dict[str, Any]] = json.load(answer)["changes"]
            return changes

    def _ask(self, source: str, what: str, method: str, **query: str) -> Any:
        root = urllib.parse.urlsplit(json.loads(self.config(source).read_text(encoding="utf-8"))["api_url"])
        url = f"{root.scheme}://{root.netloc}/_sandbox/{source}/{what}?{urllib.parse.urlencode(query)}"
        try:
            return urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=STARTS_WITHIN)
        except urllib.error.URLError as err:
            raise Failed(f"{method} {url}: {err}") from err


class Tap:
    """The tap on one source, run as a user would."""

    def __init__(self, program: Path, sandbox: Sandbox, source: str, folder: Path) -> None:
        """Prepare its files below folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.source = source
        self._folder = folder
        more = folder / "config.json"
        # The default pace of some sources is a courtesy to the vendor; the store
        # keeps the tokens of this run apart from a user's own.
        more.write_text(json.dumps({"requests_per_second": 10000, "token_store": str(folder / "tokens.json")}))
        self._command = [str(program), source, "--config", str(sandbox.config(source)), "--config", str(more)]
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
