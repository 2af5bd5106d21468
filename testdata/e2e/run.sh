#!/usr/bin/env bash
# Real programs on the other side of the pipe: loaders, Meltano, singer-check-tap,
# and the Python taps of the same services.
#
#   testdata/e2e/run.sh [BINARY] [WORKDIR]
#
# Parts: load (five loaders), check (singer-check-tap), runner (Meltano), peers. A
# part runs even if one before it failed; the exit is 1 if any did. What the
# parts need they install into WORKDIR (out/e2e), which may be kept, and from
# Debian's packages. E2E_PARTS picks parts; E2E_LOADERS and E2E_SOURCES pick what
# the part "load" runs, alone then: E2E_LOADERS=target-jsonl E2E_SOURCES=saasoptics.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tap=$(realpath "${1:-$here/../../bin/tap-backoffice}")
work=${2:-$here/../../out/e2e}
mkdir -p "$work"
work=$(realpath "$work")
export PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# The oracle knows the services' time zones from the system's own list.
if ! python3 -c 'import zoneinfo; zoneinfo.ZoneInfo("Europe/Berlin")' 2>/dev/null; then
  apt-get update -qq && apt-get install -y -qq tzdata python3 python3-venv >/dev/null ||
    { echo "e2e needs Python 3.11 or later and the time zones of tzdata" >&2; exit 1; }
fi

all="load check runner peers"
if [ -n "${E2E_LOADERS:-}${E2E_SOURCES:-}" ]; then all=load; fi
failed=()
for part in ${E2E_PARTS:-$all}; do
  begun=$SECONDS code=0
  echo "== e2e $part"
  python3 -m "$part" "$tap" "$work" || code=$?
  echo "== e2e $part: exit $code after $((SECONDS - begun)) s"
  [ "$code" -eq 0 ] || failed+=("$part")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "e2e failed: ${failed[*]}"
  exit 1
fi
