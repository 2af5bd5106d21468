#!/usr/bin/env bash
# Feeds every stream of every source to singer-check-tap.
#
#   testdata/e2e/check/run.sh BINARY WORKDIR
#
# Exits 1 on any finding. WORKDIR keeps the Python environment between runs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tap=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")

. "$here/venv.sh"
export PYTHONDONTWRITEBYTECODE=1
make_venv "$work/singer-tools" "$here/requirements.txt"
exec python3 "$here/check.py" --tap "$tap" --checker "$work/singer-tools/bin/singer-check-tap" --work "$work"
