#!/usr/bin/env bash
# Starts a schema registry (Apicurio, with Confluent's API) and returns once it answers.
# stdout: the address for --schema-registry-url, one line. Everything else goes to stderr. Exit 3: a tool is missing.
#
#   --dir DIR       REGISTRY_DIR   log and pid [$TMPDIR/testbed-registry]
#   --port N|auto   REGISTRY_PORT  auto or 0: a free one [8081]
#   --heap SIZE     REGISTRY_HEAP  -Xmx [256m]
#   --check                        only look whether it could start
# It keeps schemas in memory: `up.sh --dir DIR` after `down.sh` starts an empty one at the same address.
set -euo pipefail
. "$(dirname "$0")/settings.sh"

port=${REGISTRY_PORT:-} heap=${REGISTRY_HEAP:-256m} check=
while [ $# -gt 0 ]; do
  case $1 in
    --check) check=1; shift; continue ;;
    --dir | --port | --heap) [ $# -ge 2 ] || fail 2 "$1 needs a value" ;;
    *) fail 2 "unknown argument $1 (see the head of $0)" ;;
  esac
  case $1 in
    --dir) dir=$2 ;;
    --port) port=$2 ;;
    --heap) heap=$2 ;;
  esac
  shift 2
done
require_tools
[ -z "$check" ] || exit 0
require_jars

mkdir -p "$dir" && dir=$(cd "$dir" && pwd)
exec 9>"$dir/up.lock" && flock 9 # two starts of one folder: the second finds the first's registry
port=${port:-$(cat "$dir/port" 2>/dev/null || echo 8081)}
address() { echo "http://127.0.0.1:$port/apis/ccompat/v7"; }
if [ -n "$(registry_pid)" ]; then port=$(cat "$dir/port"); address; exit 0; fi

# Takes port $1: locks it in a folder that all testbeds of this user share (descriptor 8; the registry inherits it, so
# the lock ends with the registry) and sees that nobody else listens.
take_port() {
  exec 8>"$cache/ports/$1" && flock -n 8 || return 1
  ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
mkdir -p "$cache/ports"
if [ "$port" = auto ] || [ "$port" = 0 ]; then
  for _ in $(seq 200); do
    port=$((18000 + RANDOM % 2000)) # below the brokers' ports and the range of outgoing connections
    take_port "$port" && break
  done
else
  take_port "$port" || fail 1 "port $port is in use: choose another with --port, or --port auto"
fi
echo "$port" >"$dir/port"

cd "$dir" # it leaves files where it starts
setsid java -Xmx"$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true -Dtestbed.folder="$dir" \
  -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" -Dquarkus.log.level=WARN \
  -jar "$jar" >"$dir/registry.log" 2>&1 </dev/null 9>&- &
pid=$!
echo "$pid" >"$dir/registry.pid"
for _ in $(seq 600); do
  if curl -fs -m 2 -o /dev/null "$(address)/subjects"; then
    echo "Apicurio Registry $version at $(address), pid $pid, log $dir/registry.log" >&2
    address
    exit 0
  fi
  kill -0 "$pid" 2>/dev/null || fail 1 "the registry ended: $(tail -n 3 "$dir/registry.log")"
  sleep 0.1
done
kill -KILL "$pid"
fail 1 "the registry did not answer within 60 s, see $dir/registry.log"
