#!/usr/bin/env bash
# Do the scripts beside this one work? Starts two registries at once, crashes one, and leaves nothing behind.
# Exit 3: a tool is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/up.sh" --check
work=$(mktemp -d)
trap '"$here/down.sh" --dir "$work/a" --kill; "$here/down.sh" --dir "$work/b" --kill; rm -rf "$work"' EXIT
check() { if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "FAILED: $1: expected '$3', saw '$2'"; exit 1; fi; }

"$here/up.sh" --dir "$work/a" --port auto >"$work/a.address" & first=$!
"$here/up.sh" --dir "$work/a" --port auto >"$work/a2.address" 2>/dev/null & same=$!
"$here/up.sh" --dir "$work/b" --port auto >"$work/b.address" & second=$!
wait "$first" && wait "$same" && wait "$second"
a=$(cat "$work/a.address") b=$(cat "$work/b.address")
check "a second start of one folder finds the first's registry" "$(cat "$work/a2.address")" "$a"
check "two registries have addresses of their own" "$([ "$a" != "$b" ] && echo yes)" yes
port=${a#http://*:} port=${port%%/*}
check "a port in use is refused" "$("$here/up.sh" --dir "$work/c" --port "$port" 2>&1 | grep -c 'is in use')" 1

schemas=$here/../../schemas
check "Confluent's client registers" "$("$here/confluent.sh" register "$a" orders-value "$schemas/order.v1.avsc")" 1
check "and ids count on" "$("$here/confluent.sh" register "$a" orders-value "$schemas/order.v2.avsc")" 2
check "an id that is not there has Confluent's code" "$(curl -s "$a/schemas/ids/99" | grep -c '"error_code":40403')" 1

"$here/down.sh" --dir "$work/a" --kill
check "a crashed registry answers no more" "$(curl -s -m 2 "$a/subjects" || echo gone)" gone
check "it comes back at its address" "$("$here/up.sh" --dir "$work/a" 2>/dev/null)" "$a"
check "and is empty" "$(curl -s "$a/subjects")" "[]"
"$here/down.sh" --dir "$work/a" --purge
check "--purge removes the folder" "$([ -e "$work/a" ] && echo there)" ""
check "stopping what does not run is no error" "$("$here/down.sh" --dir "$work/a" && echo yes)" yes
