#!/usr/bin/env bash
# Runs the project in this folder with Meltano: from the sandbox to a throw-away
# PostgreSQL, twice, with changed rows between.
#
#   testdata/e2e/meltano/run.sh BINARY WORKDIR
#   testdata/e2e/meltano/run.sh --update BINARY     writes plugins/*.meltano.yml anew
#
# Exits 1 on any finding. WORKDIR keeps the Python environment between runs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH=$here/../check PYTHONDONTWRITEBYTECODE=1
if [ "$1" = --update ]; then exec python3 "$here/definition.py" "$(realpath "$2")" "$here/plugins"; fi
tap=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")

. "$here/../check/venv.sh"
make_venv "$work/meltano" "$here/requirements.txt"
exec python3 "$here/trial.py" --tap "$tap" --meltano "$work/meltano/bin/meltano" --work "$work"
