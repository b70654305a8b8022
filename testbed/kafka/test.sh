#!/usr/bin/env bash
# Do the scripts beside this one work? Starts two brokers at once, restarts one after kill -9, and leaves nothing behind.
# Exit 3: Java or Maven is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/up.sh" --check
work=$(mktemp -d)
trap '"$here/down.sh" --dir "$work/a" --kill; "$here/down.sh" --dir "$work/b" --kill; rm -rf "$work"' EXIT
check() { if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "FAILED: $1: expected '$3', saw '$2'"; exit 1; fi; }
tool() { "$here/tool" "$@"; }

"$here/up.sh" --dir "$work/a" --port auto --heap 256m >"$work/a.address" 2>"$work/a.err" & first=$!
"$here/up.sh" --dir "$work/a" --port auto --heap 256m >"$work/a2.address" 2>"$work/a2.err" & same=$!
"$here/up.sh" --dir "$work/b" --port auto --heap 256m --set auto.create.topics.enable=false >"$work/b.address" & second=$!
wait "$first" && wait "$same" && wait "$second"
a=$(cat "$work/a.address") b=$(cat "$work/b.address")
check "a second start of one folder finds the first's broker" "$(cat "$work/a2.address")" "$a"
check "two brokers have addresses of their own" "$([ "$a" != "$b" ] && echo yes)" yes

echo one | tool produce --bootstrap-server "$a" --topic made-by-the-broker
check "a produced topic is auto-created" "$(tool topics --bootstrap-server "$a" --list)" made-by-the-broker
check "--set reaches the broker" "$(tool configs --bootstrap-server "$b" --describe --entity-type brokers --entity-name 1 --all |
  grep -c 'auto.create.topics.enable=false ')" 1
check "a port in use is refused" "$("$here/up.sh" --dir "$work/c" --port "${a#*:}" 2>&1 | grep -c 'is in use')" 1

started=$SECONDS
check "a broker restarts at its address after kill -9" "$("$here/restart.sh" --dir "$work/a" --kill 2>/dev/null)" "$a"
echo "    in $((SECONDS - started)) s"
check "and has its records still" "$(tool consume --bootstrap-server "$a" --topic made-by-the-broker --from-beginning --max-messages 1 2>/dev/null)" one

"$here/down.sh" --dir "$work/a" --purge
check "a stopped broker answers no more" "$( (exec 3<>"/dev/tcp/${a%:*}/${a#*:}") 2>/dev/null && echo yes)" ""
check "--purge removes the folder" "$([ -e "$work/a" ] && echo there)" ""
check "stopping what does not run is no error" "$("$here/down.sh" --dir "$work/a" && echo yes)" yes
