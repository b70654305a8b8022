#!/usr/bin/env bash
# Starts an Apache Kafka broker (KRaft, broker and controller in one process) and returns once it answers.
# stdout: the bootstrap address, one line. Everything else goes to stderr. Exit 3: Java or Maven is missing.
#
#   --dir DIR       KAFKA_DIR    data, logs, settings [$TMPDIR/testbed-kafka]
#   --port N|auto   KAFKA_PORT   the controller takes N+1; auto or 0: free ones [9092]
#   --heap SIZE     KAFKA_HEAP   -Xmx and -Xms [512m]
#   --cpus LIST     KAFKA_CPUS   taskset list, e.g. 0 [no pinning]
#   --set KEY=VALUE KAFKA_SET    one more server property; may be given again (environment: one a line)
#   --secure        KAFKA_SECURE=1  also listeners with TLS and SASL at ports N+2 to N+6; see secure.sh
#   --check                      only look whether it could start
# A folder keeps its settings and data: `up.sh --dir DIR` again starts the same broker at the same address.
set -euo pipefail
. "$(dirname "$0")/settings.sh"
. "$here/secure.sh"

port=${KAFKA_PORT:-} heap=${KAFKA_HEAP:-} cpus=${KAFKA_CPUS:-} extra=${KAFKA_SET:-} secure=${KAFKA_SECURE:-} check=
while [ $# -gt 0 ]; do
  case $1 in
    --check) check=1; shift; continue ;;
    --secure) secure=1; shift; continue ;;
    --dir | --port | --heap | --cpus | --set) [ $# -ge 2 ] || fail 2 "$1 needs a value" ;;
    *) fail 2 "unknown argument $1 (see the head of $0)" ;;
  esac
  case $1 in
    --dir) dir=$2 ;;
    --port) port=$2 ;;
    --heap) heap=$2 ;;
    --cpus) cpus=$2 ;;
    --set) extra+="${extra:+$'\n'}$2" ;;
  esac
  shift 2
done
require_tools
[ -z "$check" ] || exit 0
require_jars

mkdir -p "$dir" && dir=$(cd "$dir" && pwd)
exec 9>"$dir/up.lock" && flock 9 # two starts of one folder: the second finds the first's broker
remembered() { sed -n "s/^$1=//p" "$dir/settings" 2>/dev/null || true; }
if [ -n "$(broker_pid)" ]; then echo "127.0.0.1:$(remembered port)"; exit 0; fi
heap=${heap:-$(remembered heap)} cpus=${cpus:-$(remembered cpus)} port=${port:-$(remembered port)} secure=${secure:-$(remembered secure)}
heap=${heap:-512m} port=${port:-9092} extra=${extra:-$(cat "$dir/extra.properties" 2>/dev/null || true)}

# Takes the ports $1 to $1+6: locks the first in a folder all brokers of this user share (descriptor 8; the broker
# inherits it, so the lock ends with the broker) and sees that nobody else listens.
take_ports() {
  local p
  exec 8>"$cache/ports/$1" && flock -n 8 || return 1
  for p in $(seq "$1" $(($1 + ${secure:+5} + 1))); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then return 1; fi
  done
}
mkdir -p "$cache/ports"
if [ "$port" = auto ] || [ "$port" = 0 ]; then
  for _ in $(seq 200); do
    port=$((20000 + 8 * (RANDOM % 1500))) # below the range that outgoing connections take their ports from
    take_ports "$port" && break
  done
else
  take_ports "$port" || fail 1 "port $port or one of the next is in use: choose another with --port, or --port auto"
fi

printf 'port=%s\nheap=%s\ncpus=%s\nsecure=%s\n' "$port" "$heap" "$cpus" "$secure" >"$dir/settings"
printf '%s\n' "$extra" >"$dir/extra.properties"
cat >"$dir/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$dir/data
# Kafka's own default, and what most brokers run with: the tests show that nothing of ours leans on it.
auto.create.topics.enable=true
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=6
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=6
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Every first join would wait 3 s for more members.
group.initial.rebalance.delay.ms=0
# After kill -9 the controller takes the same broker back only once its old session has ended: 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
P
# The last line of a name counts: what is appended goes before what stands above.
users=()
if [ -n "$secure" ]; then
  make_certificates
  secure_properties "$port" >>"$dir/server.properties"
  for user in bob dave; do
    for bits in 256 512; do users+=(--add-scram "SCRAM-SHA-$bits=[name=$user,password=$user-secret]"); done
  done
fi
cat "$dir/extra.properties" >>"$dir/server.properties"

if [ ! -e "$dir/data/meta.properties" ]; then
  # Any first character but a dash, which would make the id look like a flag.
  java -Xmx64m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$here/log4j2-tools.properties" -cp "$jars/*" \
    kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | basenc --base64url | cut -c 1-22 | sed 's/^-/x/')" \
    -c "$dir/server.properties" "${users[@]}" >"$dir/format.log" 2>&1 || fail 1 "could not format $dir/data: $(tail -3 "$dir/format.log")"
fi

pin=()
[ -z "$cpus" ] || pin=(taskset -c "$cpus")
setsid "${pin[@]}" java -Xmx"$heap" -Xms"$heap" -XX:+UseSerialGC -Djava.awt.headless=true \
  -Dkafka.log="$dir/server.log" -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$jars/*" \
  kafka.Kafka "$dir/server.properties" >"$dir/stdout.log" 2>&1 </dev/null 9>&- &
pid=$!
echo "$pid" >"$dir/broker.pid"

# The port opens before the broker can serve: ask it, with a Metadata v1 request for no topics, how many brokers it knows.
brokers() {
  # shellcheck disable=SC2016
  timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" &&
    printf "\0\0\0\017\0\003\0\001\0\0\0\001\0\001x\0\0\0\0" >&3 && head -c 12 <&3 | od -An -tu1' "$port" 2>/dev/null |
    awk 'NF == 12 { n = $12 } END { print n + 0 }'
}
for _ in $(seq 600); do
  if [ "$(brokers)" -ge 1 ]; then
    echo "Kafka $version at 127.0.0.1:$port, pid $pid, log $dir/server.log" >&2
    echo "127.0.0.1:$port"
    exit 0
  fi
  kill -0 "$pid" 2>/dev/null || fail 1 "the broker ended: $(tail -qn 3 "$dir/server.log" "$dir/stdout.log")"
  sleep 0.1
done
kill -KILL "$pid"
fail 1 "the broker did not answer within 60 s, see $dir/server.log"
