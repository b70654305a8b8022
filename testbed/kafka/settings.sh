# shellcheck shell=bash
# Sourced by the scripts beside it: where the jars are, where a broker's folder is, and how to end with one line.
# Deliberately starts nothing.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
cache=${TESTBED_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/order-pipeline}
jars=$cache/kafka-$version
dir=${KAFKA_DIR:-${TMPDIR:-/tmp}/testbed-kafka}

# fail CODE WORDS: one line on stderr and the end. Code 2: usage; 3: a tool is missing, so that a caller may skip.
fail() { local code=$1; shift; echo "${0##*/}: $*" >&2; exit "$code"; }

# Ends with code 3 and the remedy where Java 17, or Maven for the first download, is missing.
require_tools() {
  local major
  major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || true
  [ "${major:-0}" -ge 17 ] || fail 3 "needs java 17 or newer (Debian: apt install openjdk-17-jdk-headless)"
  [ -d "$jars" ] || command -v mvn >/dev/null || fail 3 "needs mvn to fetch Kafka $version once (Debian: apt install maven)"
}

# Fills $jars on first use; a second caller waits for the first.
require_jars() {
  require_tools
  [ -d "$jars" ] && return
  mkdir -p "$cache"
  (
    flock 9
    [ -d "$jars" ] && exit
    echo "fetching Kafka $version into $jars" >&2
    # One chain: behind `||` the shell does not stop at the first failure by itself.
    rm -rf "$jars.part" &&
      mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars.part" >&2 &&
      mv "$jars.part" "$jars"
  ) 9>"$jars.lock" || fail 1 "could not fetch Kafka $version with mvn (see above)"
}

# The broker's process id, or nothing where none runs in $dir.
broker_pid() {
  local pid
  pid=$(cat "$dir/broker.pid" 2>/dev/null) || return 0
  # A pid file may outlive its process and the number be given to another: the command line must name this folder.
  if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "kafka.Kafka $dir/server.properties"; then echo "$pid"; fi
}
