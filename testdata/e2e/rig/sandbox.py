"""The sandbox of the tap, and what it tells of itself."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from .programs import Failed, stop, tail

SOURCES = ("saasoptics", "zoho_crm", "slascone", "accountview", "exact_online", "buchhaltungsbutler")
STARTS_WITHIN = 60

Row = dict[str, Any]


def parse(text: str) -> Any:
    """Read JSON with every digit of its numbers: a float would hide what a peer loses."""
    return json.loads(text, parse_float=Decimal)


class Sandbox:
    """Stand-ins of services on one loopback port, limits off; as a context manager it ends with the block."""

    def __init__(self, tap: Path, folder: Path, records: int, sources: tuple[str, ...] = SOURCES) -> None:
        """Start it; the configs are in folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._log = folder / "sandbox.log"
        options = ["--limits", "off", "--records", str(records), "--write-config", str(folder)]
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(tap), "sandbox", *sources, *options], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            self.stop()
            raise Failed(f"the sandbox did not start: {tail(self._log)}")
        for source in sources:
            # The default pace of some sources is a courtesy to the vendor; here it only costs time.
            self.configure(source, requests_per_second=10000)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def stop(self) -> None:
        """End it."""
        stop(self._process)

    def path(self, source: str) -> Path:
        """Return the file with the config of a source."""
        return self.folder / f"{source}.json"

    def config(self, source: str) -> Row:
        """Return the config of a source."""
        return json.loads(self.path(source).read_text(encoding="utf-8"))

    def configure(self, source: str, **more: Any) -> None:
        """Write more keys into the config of a source."""
        self.path(source).write_text(json.dumps(self.config(source) | more, indent=2), encoding="utf-8")

    def url(self, source: str) -> str:
        """Return the base URL of the stand-in of a source."""
        return self.config(source)["api_url"]

    def truth(self, source: str, stream: str) -> list[Row]:
        """Return every live row of a stream, as the service would send it."""
        return [parse(line) for line in self._ask(source, "truth", stream=stream).read().decode().splitlines()]

    def save_truth(self, source: str, stream: str, to: Path) -> None:
        """Write down every live row of a stream, as the service would send it."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with self._ask(source, "truth", stream=stream) as answer, to.open("wb") as file:
            while part := answer.read(1 << 20):
                file.write(part)

    def change(self, source: str, **query: str | int) -> list[Row]:
        """Change rows of a stream, or of every large one, and tell which."""
        return json.load(self._ask(source, "change", post=True, **query))["changes"]

    def requests(self, source: str) -> list[Row]:
        """Return what the stand-in was asked since the last reset."""
        return [json.loads(line) for line in self._ask(source, "log").read().decode().splitlines()]

    def reset(self, source: str) -> None:
        """Empty the log of requests."""
        self._ask(source, "reset", post=True).close()

    def _ask(self, source: str, verb: str, *, post: bool = False, **query: str | int) -> Any:
        root = urllib.parse.urlsplit(self.url(source))
        url = f"{root.scheme}://{root.netloc}/_sandbox/{source}/{verb}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, method="POST" if post else "GET")
        try:
            return urllib.request.urlopen(request, timeout=STARTS_WITHIN)
        except urllib.error.HTTPError as err:
            raise Failed(f"{url}: {err.read().decode().strip()}") from err
        except urllib.error.URLError as err:
            raise Failed(f"{url}: {err}") from err
