#!/usr/bin/env bash
# confluent.sh ARGUMENTS: runs confluent.py with Confluent's Python client, which is set up in the cache on first use.
#   --check   only look whether it could run. Exit 3: Python is missing.
set -euo pipefail
. "$(dirname "$0")/settings.sh"

venv=$cache/confluent-$(sha256sum <"$here/requirements.txt" | cut -c1-12)
[ -e "$venv/whole" ] || python3 -c 'import venv, ensurepip' 2>/dev/null ||
  fail 3 "needs python3 with venv (Debian: apt install python3 python3-venv)"
[ "${1:-}" != --check ] || exit 0
if [ ! -e "$venv/whole" ]; then
  mkdir -p "$cache"
  (
    flock 9
    [ ! -e "$venv/whole" ] || exit 0
    echo "setting up Confluent's Python client in $venv" >&2
    # One chain: behind `||` the shell does not stop at the first failure by itself.
    python3 -m venv --clear "$venv" >&2 &&
      "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2 &&
      touch "$venv/whole"
  ) 9>"$venv.lock" || fail 1 "could not set up Confluent's Python client (see above)"
fi
exec "$venv/bin/python" "$here/confluent.py" "$@"
