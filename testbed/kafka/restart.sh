#!/usr/bin/env bash
# Stops the broker of a folder (--kill: crashes it) and starts it again, same address, same data. Arguments as down.sh's.
set -euo pipefail
. "$(dirname "$0")/settings.sh"

stop=()
while [ $# -gt 0 ]; do
  case $1 in
    --dir) [ $# -ge 2 ] || fail 2 "--dir needs a value"; dir=$2; shift 2 ;;
    --kill) stop=(--kill); shift ;;
    *) fail 2 "unknown argument $1 (see the head of $0)" ;;
  esac
done
[ -e "$dir/settings" ] || fail 1 "no broker was ever started in $dir"
"$here/down.sh" --dir "$dir" "${stop[@]}"
exec "$here/up.sh" --dir "$dir"
