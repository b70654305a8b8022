"""Plain Python clients: a tuned batch drain, and the loop with sleeping retries that tutorials ship.

Reads the topic to its end, keeps running averages per product, commits once a second, prints one JSON line.
With --failure-percent above 0 a failed order is tried again after sleeping 1, 2 and 4 s in the loop, then dead-lettered;
--max-seconds ends that early, since it takes 0.2 s an order.
"""

import argparse
import io
import json
import resource
import struct
import time

import xxhash
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from fastavro import parse_schema, schemaless_reader

MAX_RETRIES = 3


def parse_arguments():
    parser = argparse.ArgumentParser()
    for name in ("bootstrap-servers", "topic", "group-id", "schema", "dead-letter-topic"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--failure-percent", type=float, default=0)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--max-seconds", type=float, default=float("inf"))
    return parser.parse_args()


class Totals:
    """Count, sum in minor units and average, by product."""

    def __init__(self):
        self.products = {}
        self.records = 0

    def add(self, order):
        minor = order["priceMinor"]
        if minor is None:
            minor = round(order["price"] * 100)
        total = self.products.get(order["product"])
        if total is None:
            total = self.products[order["product"]] = [0, 0, 0.0]
        total[0] += 1
        total[1] += minor
        total[2] = total[1] / total[0]
        self.records += 1


class Faults:
    """The simulated failures of our engine (engine/src/faults.rs); tries count from 1."""

    def __init__(self, seed, percent):
        self.percent = percent
        self.seeds = [xxhash.xxh3_64_intdigest(struct.pack("<QQ", seed, 1 + attempt)) for attempt in range(MAX_RETRIES + 2)]

    def fails(self, order_id, attempt):
        share = (xxhash.xxh3_64_intdigest(order_id.encode(), self.seeds[attempt]) >> 11) / 2**53
        return share * 100 < self.percent


def load_schema(file):
    """Without logical types: fastavro would make a datetime of every createdAt."""
    with open(file, encoding="utf-8") as opened:
        schema = json.load(opened)
    for field in schema["fields"]:
        if isinstance(field["type"], dict):
            field["type"].pop("logicalType", None)
    return parse_schema(schema)


def open_consumer(arguments):
    consumer = Consumer({
        "bootstrap.servers": arguments.bootstrap_servers,
        "group.id": arguments.group_id,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        # The default of 1000 holds a drain at 114,000 records/s.
        "fetch.queue.backoff.ms": 10,
    })
    partitions = consumer.list_topics(arguments.topic, 10).topics[arguments.topic].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(arguments.topic, partition))[1] for partition in partitions]
    consumer.assign([TopicPartition(arguments.topic, partition, OFFSET_BEGINNING) for partition in partitions])
    return consumer, sum(ends)


class Client:
    def __init__(self, arguments):
        self.arguments = arguments
        self.schema = load_schema(arguments.schema)
        self.faults = Faults(arguments.seed, arguments.failure_percent)
        self.producer = Producer({"bootstrap.servers": arguments.bootstrap_servers, "acks": "all"})
        self.totals = Totals()
        self.attempts = 0
        self.dead = 0
        self.started = None

    def run(self):
        consumer, expected = open_consumer(self.arguments)
        committed = 0
        while self.totals.records + self.dead < expected and self.seconds() < self.arguments.max_seconds:
            messages = consumer.consume(5000, 0.1)
            if self.started is None and messages:
                self.start()
                committed = time.monotonic()
            self.handle_batch(messages)
            if self.started is not None and time.monotonic() - committed > 1:
                consumer.commit(asynchronous=True)
                committed = time.monotonic()
        if self.arguments.failure_percent == 0:
            consumer.commit(asynchronous=False)
        self.report()
        consumer.close()

    def handle_batch(self, messages):
        clean = self.arguments.failure_percent == 0
        schema, add = self.schema, self.totals.add
        for message in messages:
            order = schemaless_reader(io.BytesIO(message.value()), schema, None)
            if clean or self.succeeds(order["orderId"], message):
                add(order)
            if not clean and self.seconds() > self.arguments.max_seconds:
                return

    def succeeds(self, order_id, message):
        for attempt in range(1, MAX_RETRIES + 2):
            if attempt > 1:
                time.sleep(2 ** (attempt - 2))
            self.attempts += 1
            if not self.faults.fails(order_id, attempt):
                return True
        self.producer.produce(self.arguments.dead_letter_topic, message.value(), message.key())
        self.producer.flush()
        self.dead += 1
        return False

    def start(self):
        self.started = time.monotonic()
        self.cpu = time.process_time()

    def seconds(self):
        return 0 if self.started is None else time.monotonic() - self.started

    def report(self):
        print(json.dumps({
            "records": self.totals.records + self.dead,
            "seconds": round(self.seconds(), 4),
            "cpuSeconds": round(time.process_time() - self.cpu, 4),
            "maxRssMiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "attempts": self.attempts,
            "deadLettered": self.dead,
            "products": {product: total[:2] for product, total in sorted(self.totals.products.items())},
        }))


if __name__ == "__main__":
    Client(parse_arguments()).run()
