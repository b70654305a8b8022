"""The programs that are compared: how each is built, started, and what it says of itself."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from . import measure
from .broker import CACHE, ROOT, STATE_TOPIC

PEERS = ROOT / "bench" / "peers"
SCHEMA = ROOT / "schemas" / "order.v2.avsc"
SEED = 42


@dataclass
class Outcome:
    """One run of one client, in the same terms for all."""

    client: str
    records: int
    seconds: float  # from the first record to the last one resolved
    cpu_seconds: float  # of that time where the client says so, else of the whole process
    process_cpu_seconds: float
    max_rss_mib: float
    load_before: float
    products: dict  # product: [count, sum in minor units]
    more: dict
    samples: list

    def entry(self, run):
        """What the results file keeps."""
        million = self.records / 1e6
        return {
            "client": self.client, "run": run, "records": self.records, "seconds": round(self.seconds, 4),
            "recordsPerSecond": round(self.records / self.seconds), "cpuSecondsPerMillion": round(self.cpu_seconds / million, 4),
            "processCpuSecondsPerMillion": round(self.process_cpu_seconds / million, 4),
            "maxRssMiB": round(self.max_rss_mib, 1), "loadBefore": round(self.load_before, 2), **self.more,
        }  # fmt: skip


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Worker:
    """Our consumer. It ends once it found nothing to do for `idle_seconds`, which are no part of its seconds."""

    def __init__(self, binary, name="worker", arguments=(), sampled=False, every=0.05, idle_seconds=1, group=None):
        self.binary, self.name, self.arguments, self.group = binary, name, arguments, group
        self.sampled, self.every, self.idle_seconds = sampled, every, idle_seconds
        self.admin = f"127.0.0.1:{free_port()}"

    def command(self, address, topic, admin, report):
        return [
            self.binary, "consume", "--bootstrap-servers", address, "--topic", topic, "--group-id", self.group or new_group(self.name),
            "--state-topic", STATE_TOPIC, "--start-from", "earliest", "--until-idle", f"{self.idle_seconds}s", "--report", report, "--admin-address", admin,
            *self.arguments,
        ]  # fmt: skip

    def wait_until_ready(self, timeout):
        """Returns once a run of it in another thread has its partitions."""
        measure.wait_for_answer(f"http://{self.admin}/readyz", timeout)

    def run(self, address, topic, timeout):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "report.json"
            command = self.command(address, topic, self.admin, file)
            measured = measure.run(self.name, command, measure.CLIENT_CPU, timeout, self.admin if self.sampled else None, self.every)
            report = json.loads(file.read_text(encoding="utf-8"))
        consumed, handled = report["consumed"], report["handled"]
        products = {}
        for product in report["products"]:
            known = products.setdefault(product["product"], [0, 0])
            known[0] += product["count"]
            known[1] += int(Decimal(product["sum"]) * 100)
        more = {
            "deadLettered": consumed["deadLettered"], "attempts": consumed["records"] + consumed["retries"],
            "takenInSeconds": handled["takenInSeconds"], **flatten(handled),
        }  # fmt: skip
        return Outcome(
            self.name, consumed["records"], handled["resolvedSeconds"], measured.cpu_seconds, measured.cpu_seconds,
            measured.max_rss_mib, measured.load_before, products, more, measured.samples,
        )  # fmt: skip


def flatten(handled):
    """`latencyMilliseconds: {p50, p99}` to `latencyP50Milliseconds` and so on, as far as they were measured."""
    return {
        f"{name}{quantile.upper()}Milliseconds": value
        for name in ("latency", "retryDelay")
        for quantile, value in handled.get(f"{name}Milliseconds", {}).items()
    }


class Service:
    """The HTTP service of the testbed on the broker's core; `said` is what it counted, once it has ended."""

    def __init__(self, failure_percent):
        command = ["taskset", "-c", measure.BROKER_CPU, build_rust("test-service"), "--failure-percent", str(failure_percent)]
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://{self.process.stdout.readline().split()[-1]}/orders"
        self.said = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.said = json.loads(self.process.stdout.read())
        self.process.wait()


class Peer:
    """Somebody else's client: takes the same arguments, prints one JSON line."""

    def __init__(self, name, command, arguments=()):
        self.name, self.prefix, self.arguments = name, command, arguments

    def run(self, address, topic, timeout):
        command = [
            *self.prefix, "--bootstrap-servers", address, "--topic", topic, "--group-id", new_group(self.name),
            "--schema", SCHEMA, "--dead-letter-topic", f"{topic}-dlq", *self.arguments,
        ]  # fmt: skip
        measured = measure.run(self.name, command, measure.CLIENT_CPU, timeout)
        said = json.loads(measured.stdout.strip().splitlines()[-1])
        known = {"records", "seconds", "cpuSeconds", "maxRssMiB", "products"}
        return Outcome(
            self.name, said["records"], said["seconds"], said.get("cpuSeconds", measured.cpu_seconds), measured.cpu_seconds,
            max(said["maxRssMiB"], measured.max_rss_mib), measured.load_before, said.get("products", {}),
            {name: value for name, value in said.items() if name not in known}, [],
        )  # fmt: skip


def new_group(name):
    return f"bench-{name}-{uuid.uuid4().hex[:8]}"


def failing(percent):
    return ["--failure-percent", str(percent), "--seed", str(SEED)]


def java():
    """KafkaConsumer and Avro, tuned."""
    return Peer("java", ["java", "-Xmx512m", "-cp", build_java("client"), "bench.Drain"])


def parallel(percent):
    """Confluent's Parallel Consumer with failures."""
    command = ["java", "-Xmx1g", "-cp", build_java("parallel"), "bench.Parallel"]
    return Peer("parallel consumer", command, failing(percent))


def python():
    """confluent-kafka and fastavro in batches, tuned."""
    return Peer("python", python_command())


def python_sleeping(percent, max_seconds):
    """The loop that sleeps before it tries again; stopped after `max_seconds`."""
    return Peer("python, sleeping", python_command(), [*failing(percent), "--max-seconds", str(max_seconds)])


def floor():
    """The bare batch loop on librdkafka: decodes nothing."""
    return Peer("floor", [build_rust("floor")])


def build_rust(package):
    """A release build without TLS; the path of the binary."""
    subprocess.run(["cargo", "build", "--release", "--package", package, "--no-default-features"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / package


def build_java(name):
    built = subprocess.run([PEERS / "java" / "build.sh", name], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        sys.exit(f"could not build the Java peer '{name}' (see above)")
    return built.stdout.strip().splitlines()[-1]


def python_command():
    requirements = PEERS / "python" / "requirements.txt"
    folder = CACHE / f"bench-python-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin" / "pip", "install", "-q", "-r", requirements], check=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return [folder / "bin" / "python", PEERS / "python" / "client.py"]
