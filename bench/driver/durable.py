"""What durable totals cost: against totals in memory, at a restart, and after kill -9."""

import random
import subprocess
import tempfile
import time
import urllib.request

from . import clients, measure
from .results import Results
from .scenarios import alternate

# Products of the restore; a partition has all of them.
MANY_PRODUCTS = 1_000
SESSION_SECONDS = 6
CHECKPOINT_SECONDS = 5


def durable(broker, options):
    """A drain with checkpoints every 5 s and one without; then restarts, and kills under an offered load."""
    results = Results("durable", options.records, {"runs": options.runs, "ordersPerSecond": options.rate})
    topic = broker.preload(options.records)
    compared = [
        (clients.Worker(options.worker, "worker, durable"), "clean"),
        (clients.Worker(options.worker, "worker, in memory", ["--state", "none"]), "clean"),
    ]
    alternate(results, compared, broker.address, topic, options)
    for name, member, target in (("orders/s", "recordsPerSecond", ">= 0.97"), ("CPU s per million", "cpuSecondsPerMillion", None)):
        results.figure(f"{name}, durable / in memory", results.ratio(member, "worker, durable", "worker, in memory"), target)
    restore(broker, options, results)
    kills(broker, options, results)
    results.save()


# Function, default records, default runs, default orders/s; as in scenarios.py.
SCENARIO = (durable, 24_000_000, 3, 20_000)


def restore(broker, options, results):
    """From assignment to the first order that may be taken in, six partitions at a time with 1,000 products each."""
    topic = f"restore-{int(time.time())}"
    broker.prepare(topic)
    group = clients.new_group("restore")
    means, within = [], []
    for run in range(1 + 5 * options.runs):
        count = 60_000 if run == 0 else 600
        measure.run("preload", broker.produce_command(topic, count, rate=0, products=MANY_PRODUCTS), cpus=None, timeout=600)
        worker = clients.Worker(options.worker, "worker, restarted", sampled=True, group=group)
        samples = [sample.series for sample in worker.run(broker.address, topic, options.timeout).samples]
        last = max(samples, key=lambda series: series.get("orderpipeline_consumer_restore_duration_seconds_count", 0))
        count = last["orderpipeline_consumer_restore_duration_seconds_count"]
        if run > 0:  # the first one had nothing to restore
            means.append(last["orderpipeline_consumer_restore_duration_seconds_sum"] / count * 1000)
            within.append(last['orderpipeline_consumer_restore_duration_seconds_bucket{le="0.2"}'] / count * 100)
    results.figure("restore of a partition with 1,000 products, mean of the slowest run, ms", max(means), "<= 200")
    results.figure("partitions restored within 200 ms, %", min(within), ">= 100")


def kills(broker, options, results):
    """Orders handled again after each kill -9, and that none of them shows in the totals."""
    seconds, chance = 60, random.Random(7)
    topic, group = f"kills-{int(time.time())}", clients.new_group("kills")
    count = options.rate * seconds
    broker.prepare(topic)
    produced = subprocess.Popen(["taskset", "-c", measure.BROKER_CPU, *map(str, broker.produce_command(topic, count, options.rate))])
    handled, deaths, ends = 0, 0, time.monotonic() + seconds
    while time.monotonic() < ends - 2 * SESSION_SECONDS:
        handled += until_killed(broker, options, topic, group, chance.uniform(2, 8))
        deaths += 1
    produced.wait()
    outcome = clients.Worker(options.worker, "worker, after kills", SHORT_SESSION, sampled=True, group=group, idle_seconds=3).run(
        broker.address, topic, options.timeout)  # fmt: skip
    own = max(sample.total("orderpipeline_consumer_orders_total") or 0 for sample in outcome.samples)
    results.figure("orders handled again per kill -9", (handled + own - count) / deaths, f"<= {options.rate * CHECKPOINT_SECONDS:,}")
    results.figure("kills", deaths)
    results.figure("orders missing or counted twice after them", abs(outcome.records - count), "0")


SHORT_SESSION = ["--client-config", f"session.timeout.ms={SESSION_SECONDS * 1000}"]


def until_killed(broker, options, topic, group, seconds):
    """Runs a consumer, kills it `seconds` after its first order; how many it had resolved."""
    admin = f"127.0.0.1:{clients.free_port()}"
    worker = clients.Worker(options.worker, "killed", SHORT_SESSION, group=group)
    with tempfile.TemporaryDirectory() as folder:
        command = [argument for argument in worker.command(broker.address, topic, admin, f"{folder}/report.json")]
        command = [part for part in command if part not in ("--until-idle", f"{worker.idle_seconds}s")]
        process = subprocess.Popen(["taskset", "-c", measure.CLIENT_CPU, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while resolved(admin) == 0:
                time.sleep(0.05)
            time.sleep(seconds)
            return resolved(admin)
        finally:
            process.kill()
            process.wait()


def resolved(admin):
    """Records that the process resolved itself."""
    try:
        with urllib.request.urlopen(f"http://{admin}/metrics", timeout=2) as answer:
            series = measure.parse_metrics(answer.read().decode())
    except OSError:
        return 0
    return sum(value for name, value in series.items() if name.startswith("orderpipeline_consumer_orders_total{"))
