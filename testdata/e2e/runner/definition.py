"""The plugin definitions of the project: what the tap prints of itself.

usage: python3 -m runner.definition PROGRAM FOLDER, to write FOLDER/*.meltano.yml anew.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def printed(tap: Path, source: str) -> str:
    """What `tap-backoffice SOURCE --about --format meltano` prints."""
    return subprocess.run(
        [tap, source, "--about", "--format", "meltano"], check=True, capture_output=True, text=True
    ).stdout


def main() -> None:
    tap, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for path in sorted(folder.glob("*.meltano.yml")):
        path.write_text(printed(tap, path.name.removesuffix(".meltano.yml")))


if __name__ == "__main__":
    main()
