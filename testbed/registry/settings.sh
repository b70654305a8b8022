# shellcheck shell=bash disable=SC2034
# (SC2034: whoever sources this uses what stands here)
# Sourced by the scripts beside it: where the registry's jars are, where its folder is, and how to end with one line.
# Deliberately starts nothing.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=2.6.13.Final # the newest line that runs on Java 17; 3.x needs 21
cache=${TESTBED_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/order-pipeline}
jars=$cache/apicurio-$version
jar=$jars/apicurio-registry-app-$version-runner.jar
dir=${REGISTRY_DIR:-${TMPDIR:-/tmp}/testbed-registry}

# fail CODE WORDS: one line on stderr and the end. Code 2: usage; 3: a tool is missing, so that a caller may skip.
fail() { local code=$1; shift; echo "${0##*/}: $*" >&2; exit "$code"; }

# Ends with code 3 and the remedy where Java 17, or what the first download needs, is missing.
require_tools() {
  local major
  major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || true
  [ "${major:-0}" -ge 17 ] || fail 3 "needs java 17 or newer (Debian: apt install openjdk-17-jdk-headless)"
  command -v curl >/dev/null || fail 3 "needs curl (Debian: apt install curl)"
  [ -d "$jars" ] || command -v mvn >/dev/null || fail 3 "needs mvn to fetch Apicurio $version once (Debian: apt install maven)"
  [ -d "$jars" ] || command -v unzip >/dev/null || fail 3 "needs unzip to unpack Apicurio $version once (Debian: apt install unzip)"
}

# Fills $jars on first use; a second caller waits for the first.
require_jars() {
  require_tools
  [ -d "$jars" ] && return
  mkdir -p "$cache"
  (
    flock 9
    [ -d "$jars" ] && exit
    echo "fetching Apicurio Registry $version (142 MB) into $jars" >&2
    # One chain: behind `||` the shell does not stop at the first failure by itself. And outside of any folder with a
    # pom, or Maven takes that for the project.
    rm -rf "$jars.part" && mkdir "$jars.part" &&
      (cd "$jars.part" && mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="io.apicurio:apicurio-registry-app:$version:zip:all" -DoutputDirectory="$jars.part" >&2) &&
      unzip -q "$jars.part/apicurio-registry-app-$version-all.zip" -d "$jars.part" &&
      rm "$jars.part/apicurio-registry-app-$version-all.zip" &&
      mv "$jars.part" "$jars"
  ) 9>"$jars.lock" || fail 1 "could not fetch Apicurio $version with mvn (see above)"
}

# The registry's process id, or nothing where none runs in $dir.
registry_pid() {
  local pid
  pid=$(cat "$dir/registry.pid" 2>/dev/null) || return 0
  # A pid file may outlive its process and the number be given to another: the command line must name this folder.
  if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "testbed.folder=$dir "; then echo "$pid"; fi
}
