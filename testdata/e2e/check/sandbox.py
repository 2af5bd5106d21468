"""The tap's own sandbox, started for one test, and what it tells of itself.

Used by the tests in check, meltano and peers. It never looks at the tap's
output: the truth comes from the sandbox.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

SOURCES = ("saasoptics", "zoho_crm", "slascone", "accountview", "exact_online", "buchhaltungsbutler")

Row = dict[str, Any]


def parse(text: str) -> Any:
    """JSON with every digit of its numbers: a float would hide what a peer loses."""
    return json.loads(text, parse_float=Decimal)


class Sandbox:
    """A running sandbox; as a context manager it ends with the block."""

    def __init__(self, tap: Path, folder: Path, records: int, sources: tuple[str, ...] = SOURCES) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._stderr = (folder / "sandbox.log").open("w")
        self._process = subprocess.Popen(
            [tap, "sandbox", *sources, "--limits", "off", "--records", str(records), "--write-config", folder],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the sandbox did not start, see {folder / 'sandbox.log'}")
        for source in sources:
            # The services' pace is tested elsewhere; here it only costs time.
            self.save(source, self.config(source) | {"requests_per_second": 1000})

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        self._stderr.close()

    def path(self, source: str) -> Path:
        return self.folder / f"{source}.json"

    def config(self, source: str) -> Row:
        return json.loads(self.path(source).read_text())

    def save(self, source: str, config: Row) -> None:
        self.path(source).write_text(json.dumps(config, indent=2))

    def url(self, source: str) -> str:
        """The base URL of the stand-in of a source."""
        return self.config(source)["api_url"]

    def truth(self, source: str, stream: str) -> list[Row]:
        """Every live row of a stream, as the service would send it."""
        return [parse(line) for line in self._ask(source, "truth", stream=stream).splitlines()]

    def change(self, source: str, **query: str | int) -> list[Row]:
        """Changes rows and tells which."""
        return json.loads(self._ask(source, "change", post=True, **query))["changes"]

    def requests(self, source: str) -> list[Row]:
        """What the stand-in was asked since the last reset."""
        return [json.loads(line) for line in self._ask(source, "log").splitlines()]

    def reset(self, source: str, **query: str) -> None:
        """Empties the log; with="data" also undoes every change."""
        self._ask(source, "reset", post=True, **query)

    def _ask(self, source: str, verb: str, post: bool = False, **query: str | int) -> str:
        base = self.url(source).rsplit("/", 1)[0]
        url = f"{base}/_sandbox/{source}/{verb}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, method="POST" if post else "GET")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{url}: {error.read().decode().strip()}") from error
