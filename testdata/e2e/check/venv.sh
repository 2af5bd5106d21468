# Sourced by the run.sh of check, meltano and peers: makes Python environments
# that hold exactly what a lock file names.

# uv resolves nothing here, it only installs what is locked; it is far quicker
# than pip and comes from the same registry.
UV_VERSION=0.13.9

# A slow registry is not a finding: three tries.
try_thrice() {
  local n
  for n in 1 2 3; do
    "$@" && return 0
    [ "$n" -eq 3 ] || { echo "try $n failed: $*" >&2; sleep $((n * 5)); }
  done
  return 1
}

# make_venv DIR LOCK: an environment in DIR, made anew only if LOCK changed.
make_venv() {
  local dir=$1 lock=$2 tools
  if cmp -s "$lock" "$dir/lock.txt"; then return 0; fi
  tools=$(dirname "$dir")/uv-$UV_VERSION
  if ! [ -x "$tools/bin/uv" ]; then
    python3 -m venv "$tools"
    try_thrice "$tools/bin/pip" install --quiet --disable-pip-version-check "uv==$UV_VERSION"
  fi
  rm -rf "$dir"
  "$tools/bin/uv" venv --quiet --python "$(command -v python3)" "$dir"
  try_thrice "$tools/bin/uv" pip sync --quiet --python "$dir/bin/python" "$lock"
  cp "$lock" "$dir/lock.txt" # last, so that a half-made one is made again
}
