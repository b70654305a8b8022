#!/usr/bin/env bash
# Builds one Java peer (client or parallel) into $TESTBED_CACHE/bench-java-NAME and prints its class path.
set -euo pipefail
name=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../testbed/kafka/settings.sh"
# settings.sh gave `cache` and set `here` to its own folder.
here=$(cd "$(dirname "$0")" && pwd)
out=$cache/bench-java-$name-$(sha256sum "$here/$name.pom.xml" | cut -c 1-12)
case $name in
  client) sources=(Drain.java) ;;
  parallel) sources=(Parallel.java Faults.java) ;;
  *) echo "usage: build.sh client|parallel" >&2; exit 2 ;;
esac
require_tools
if [ ! -d "$out/lib" ]; then
  mvn -B -q -f "$here/$name.pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$out/lib.part" >&2
  mv "$out/lib.part" "$out/lib"
fi
rm -rf "$out/classes"
(cd "$here/src/bench" && javac -nowarn -d "$out/classes" -cp "$out/lib/*" Arguments.java OrderReader.java Totals.java Result.java "${sources[@]}")
echo "$out/classes:$out/lib/*"
