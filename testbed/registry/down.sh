#!/usr/bin/env bash
# Stops the registry that up.sh started in a folder, and waits until it is gone. None there: nothing to do, exit 0.
#
#   --dir DIR   REGISTRY_DIR  [$TMPDIR/testbed-registry]
#   --kill      crash it (kill -9) instead of the clean shutdown
#   --purge     then remove the folder
set -euo pipefail
. "$(dirname "$0")/settings.sh"

signal=TERM purge=
while [ $# -gt 0 ]; do
  case $1 in
    --dir) [ $# -ge 2 ] || fail 2 "--dir needs a value"; dir=$2; shift 2 ;;
    --kill) signal=KILL; shift ;;
    --purge) purge=1; shift ;;
    *) fail 2 "unknown argument $1 (see the head of $0)" ;;
  esac
done
[ -d "$dir" ] || exit 0
dir=$(cd "$dir" && pwd)

pid=$(registry_pid)
if [ -n "$pid" ]; then
  kill "-$signal" "$pid"
  for _ in $(seq 300); do [ -n "$(registry_pid)" ] || break; sleep 0.1; done
  if [ -n "$(registry_pid)" ]; then
    echo "down.sh: the registry took longer than 30 s to stop, killing it" >&2
    kill -KILL "$pid"
  fi
fi
rm -f "$dir/registry.pid"
if [ -n "$purge" ]; then
  [ -e "$dir/up.lock" ] || fail 1 "$dir was not made by up.sh: not removed"
  rm -rf "$dir"
fi
