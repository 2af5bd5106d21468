#!/usr/bin/env bash
# Runs other taps of the same services against the sandbox, beside ours, and
# prints what differs as tables in Markdown.
#
#   testdata/e2e/peers/run.sh BINARY WORKDIR
#
# singer-io's tap-zoho-crm is not on PyPI: with TAP_ZOHO_CRM=FOLDER, a checkout
# of it, it runs too. Exits 1 on any difference that no rule explains. WORKDIR
# keeps the Python environments between runs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tap=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
export PYTHONPATH=$here/../check PYTHONDONTWRITEBYTECODE=1

. "$here/../check/venv.sh"
make_venv "$work/tap-saasoptics" "$here/requirements/tap-saasoptics.txt"
make_venv "$work/airbyte-source-zoho-crm" "$here/requirements/airbyte-source-zoho-crm.txt"
if [ -n "${TAP_ZOHO_CRM:-}" ]; then make_venv "$work/tap-zoho-crm" "$here/requirements/tap-zoho-crm.txt"; fi
exec python3 "$here/peers.py" --tap "$tap" --work "$work"
