"""One real broker, pinned to its core, and the topics the scenarios read. Orders are written by our own producer."""

import os
import subprocess
from pathlib import Path

from . import measure

ROOT = Path(__file__).resolve().parents[2]
TESTBED = ROOT / "testbed" / "kafka"
CACHE = Path(os.environ.get("TESTBED_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "order-pipeline")
PARTITIONS = 6
PRODUCTS = 64
# One for all groups.
STATE_TOPIC = "bench-state"


class Broker:
    """Started on entry, stopped and purged on exit; or one that runs already, which is left alone."""

    def __init__(self, worker, cpus, address=None):
        self.worker = worker
        self.cpus = cpus
        self.address = address
        self.folder = None

    def __enter__(self):
        if self.address is None:
            self.folder = CACHE / f"bench-kafka-{os.getpid()}"
            up = [TESTBED / "up.sh", "--dir", self.folder, "--port", "auto", "--heap", "1g", "--cpus", self.cpus]
            try:
                self.address = subprocess.run(up, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_):
        if self.folder is not None:
            subprocess.run([TESTBED / "down.sh", "--dir", self.folder, "--kill", "--purge"], check=True)

    def prepare(self, topic):
        """The topic and its dead-letter topic, empty; and the state topic of all groups."""
        command = [self.worker, "prepare", "--bootstrap-servers", self.address, "--topic", topic, "--state-topic", STATE_TOPIC]
        subprocess.run([*command, "--partitions", str(PARTITIONS)], check=True, stdout=subprocess.DEVNULL)

    def preload(self, records):
        """A topic with this many orders, written once and shared by all runs; returns its name."""
        topic = f"orders-{records}"
        if topic not in self.topics():
            self.prepare(topic)
            produced = measure.run("preload", self.produce_command(topic, records, rate=0), cpus=None, timeout=3600)
            measure.log(f"wrote {records:,} orders to {topic} in {produced.wall_seconds:.1f} s")
        return topic

    def produce_command(self, topic, records, rate, products=PRODUCTS):
        """Our producer, `rate` orders a second (0 = as fast as it goes), 64 products, bare Avro of version 2."""
        return [
            self.worker, "produce", "--bootstrap-servers", self.address, "--topic", topic, "--count", str(records),
            "--rate", str(rate), "--products", str(products), "--seed", "42", "--compression", "none",
            "--id-prefix", "o-", "--admin-address", "127.0.0.1:0",
        ]  # fmt: skip

    def topics(self):
        listed = [TESTBED / "tool", "topics", "--bootstrap-server", self.address, "--list"]
        return subprocess.run(listed, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
