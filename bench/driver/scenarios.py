"""What is measured: one function a scenario. Clients alternate, so that a change of the machine's mood meets all alike."""

import statistics
import sys
import threading
import time

from . import clients, measure
from .results import Results

# A Python client or the Parallel Consumer needs minutes for more.
SLOW_CLIENT_RECORDS = 2_000_000

# 0.30 and 0.50 CPU seconds per million orders were asked for where the floor took 0.174.
CPU_TO_FLOOR, FAILING_CPU_TO_FLOOR = 0.30 / 0.174, 0.50 / 0.174


def alternate(results, compared, address, topic, options, more=lambda outcome: {}):
    """Runs each client in turn, and insists that all of a kind come to the same totals; `more` is kept with each run."""
    expected = {}
    for _ in range(options.runs):
        for client, kind in compared:
            outcome = client.run(address, topic, options.timeout)
            if outcome.records != options.records:
                sys.exit(f"{client.name} resolved {outcome.records:,} of {options.records:,} orders")
            if outcome.products:
                known = expected.setdefault(kind, outcome.products)
                if known != outcome.products:
                    sys.exit(f"{client.name} came to other totals than the clients before it: {differences(known, outcome.products)}")
            results.add(outcome, **more(outcome))


def differences(one, other):
    """The first few products whose totals differ."""
    names = [name for name in sorted(one | other) if one.get(name) != other.get(name)]
    return ", ".join(f"{name} {one.get(name)} and {other.get(name)}" for name in names[:3])


def drain(broker, options):
    """Reading a preloaded topic to its end, nothing fails."""
    topic = broker.preload(options.records)
    compared = [(clients.Worker(options.worker), "clean"), (clients.java(), "clean"), (clients.floor(), "floor")]
    if options.records <= SLOW_CLIENT_RECORDS:
        compared.append((clients.python(), "clean"))
    results = Results("drain", options.records, {"runs": options.runs})
    alternate(results, compared, broker.address, topic, options)
    warm = options.records > SLOW_CLIENT_RECORDS
    results.figure("orders/s, worker / java", results.ratio("recordsPerSecond", "worker", "java"), ">= 1.3" if warm else ">= 2.3")
    results.figure("orders/s, worker / python", results.ratio("recordsPerSecond", "worker", "python"), ">= 7")
    results.figure("orders/s, worker / floor", results.ratio("recordsPerSecond", "worker", "floor"))
    cpu_figures(results, "worker", CPU_TO_FLOOR)
    results.figure("worker, peak MiB", median(results, "worker", "maxRssMiB"), "<= 64")
    results.save()


def cpu_figures(results, client, limit):
    """CPU as seconds and, as machines and their hours differ, beside the floor's."""
    results.figure(f"{client}, CPU s per million", median(results, client, "cpuSecondsPerMillion"))
    if results.spread("floor", "cpuSecondsPerMillion"):
        target = f"<= {limit:.2f}" if limit else None
        results.figure(f"CPU, {client} / floor", results.ratio("cpuSecondsPerMillion", client, "floor"), target)


def failing(broker, options):
    """The same with a share of tries that fail, repeated after 1, 2 and 4 s, beside our own clean drain."""
    topic, percent = broker.preload(options.records), options.failure_percent
    small = options.records <= 500_000
    failing_worker = clients.Worker(options.worker, "worker, failing", clients.failing(percent), sampled=True)
    compared = [(clients.Worker(options.worker), "clean"), (failing_worker, "failing")]
    compared.append((clients.parallel(percent), "failing") if small else (clients.floor(), "floor"))
    results = Results("failing", options.records, {"runs": options.runs, "failurePercent": percent})
    alternate(results, compared, broker.address, topic, options, failing_members)
    if small:
        results.add(clients.python_sleeping(percent, 30).run(broker.address, topic, 120))
        results.notes.append("The sleeping Python loop was stopped after 30 s.")
    failing_figures(results, small)
    results.save()


def failing_members(outcome):
    """What the samples of a failing run of ours show; nothing for others."""
    if not outcome.samples:
        return {}
    return {
        "freshPerSecond": round(outcome.records / outcome.more["takenInSeconds"]),
        "maxParked": max((sample.total("orderpipeline_consumer_parked_orders") or 0 for sample in outcome.samples), default=None),
    }


def failing_figures(results, small):
    fresh, clean = results.spread("worker, failing", "freshPerSecond"), results.spread("worker", "recordsPerSecond")
    results.figure("fresh orders/s, failing / clean", fresh[0] / clean[0] if fresh and clean else None, None if small else ">= 0.5")
    results.figure("fresh orders/s, failing", fresh and fresh[0])
    cpu_figures(results, "worker, failing", None if small else FAILING_CPU_TO_FLOOR)
    results.figure("worker, failing, all resolved, s", median(results, "worker, failing", "seconds"), "<= 7.6" if small else None)
    results.figure("parallel consumer, all resolved, s", median(results, "parallel consumer", "seconds"))
    results.figure("retry start, p99 late, ms", median(results, "worker, failing", "retryDelayP99Milliseconds"), "<= 50")
    results.figure("most parked", median(results, "worker, failing", "maxParked"))
    results.figure("worker, failing, peak MiB", median(results, "worker, failing", "maxRssMiB"), "<= 64" if small else "<= 160")


def load(broker, options):
    """An offered load: does the lag stay where it is?"""
    results = Results("load", options.records, {"ordersPerSecond": options.rate, "failurePercent": options.failure_percent})
    # Few and large batches: the producer shares the broker's core, and both together have to offer the load.
    large = ("--client-config", "linger.ms=50", "--client-config", "batch.num.messages=100000")
    outcome = offered(broker, options, f"load-{options.rate}", options.failure_percent, measure.BROKER_CPU, 0.25, large)
    producing = outcome.more["producingSeconds"]
    behind = [(sample.at, backlog(sample)) for sample in outcome.samples if sample.at < producing]
    results.add(outcome, backlog=[[round(at, 2), orders] for at, orders in behind])
    halves = [[orders for at, orders in behind if low <= at / producing < high] for low, high in ((0.2, 0.6), (0.6, 1))]
    results.figure("produced orders/s", outcome.more["offeredPerSecond"], f"{options.rate:,}")
    for name, orders in zip(("from 20 to 60", "from 60 to 100"), halves, strict=True):
        results.figure(f"not yet taken in, median, {name} % of the time", statistics.median(orders) if orders else None)
        results.figure(f"not yet taken in, most, {name} % of the time", max(orders, default=None))
    results.notes.append("Keeps up where the second part of the time is no worse than the first, and both are below a second's orders.")
    latency_figures(results, "worker", None, None)
    results.save()


def backlog(sample):
    """Orders in the topic that the consumer has not taken in: behind its watermark, and neither resolved nor parked."""
    lag, gap, parked = (sample.total(f"orderpipeline_consumer_{name}") or 0 for name in ("lag_records", "watermark_gap_records", "parked_orders"))
    return max(0, lag - gap - parked)


def latency(broker, options):
    """From produced to handled at a low rate, clean and failing; of orders that did not fail."""
    results = Results("latency", options.records, {"ordersPerSecond": options.rate, "failurePercent": options.failure_percent})
    kinds = (("clean", 0), ("failing", options.failure_percent))
    # A broker that just started answers its first seconds' requests late; they are not the worker's.
    for run in range(options.runs + 1):
        for name, percent in kinds:
            outcome = offered(broker, options, f"latency-{name}-{run}", percent, producer_cpu=measure.CLIENT_CPU, every=1)
            outcome.client = f"worker, {name}"
            if run > 0:
                results.add(outcome)
    for name, _ in kinds:
        latency_figures(results, f"worker, {name}", "<= 7", "<= 20")
    results.notes.append("Before them, one run of each against the broker that just started is left out.")
    results.notes.append("Latency of orders that succeeded at their first try, in whole milliseconds, as timestamps are.")
    results.save()


def latency_figures(results, client, p50, p99):
    results.figure(f"{client}, latency p50, ms", median(results, client, "latencyP50Milliseconds"), p50)
    results.figure(f"{client}, latency p99, ms", median(results, client, "latencyP99Milliseconds"), p99)


def offered(broker, options, name, percent, producer_cpu, every, producer_arguments=()):
    """Runs our consumer while our producer offers `options.rate` orders/s; returns the consumer's outcome."""
    topic = f"{name}-{int(time.time())}"
    broker.prepare(topic)
    arguments = clients.failing(percent) if percent else []
    consumer = clients.Worker(options.worker, "worker", arguments, sampled=True, every=every, idle_seconds=5)
    produced = []

    def produce():
        command = [*broker.produce_command(topic, options.records, options.rate), *producer_arguments]
        try:
            # Else the first orders wait for the group to form, and that is what the 99th percentile would show.
            consumer.wait_until_ready(60)
            produced.append(measure.run("producer", command, producer_cpu, options.timeout))
        except SystemExit as failure:
            measure.log(failure)

    first = threading.Thread(target=produce)
    first.start()
    outcome = consumer.run(broker.address, topic, options.timeout)
    first.join()
    if not produced:
        sys.exit("the producer failed (see above)")
    if outcome.records != options.records:
        sys.exit(f"the consumer resolved {outcome.records:,} of {options.records:,} orders")
    outcome.more["producingSeconds"] = round(produced[0].wall_seconds, 2)
    outcome.more["offeredPerSecond"] = round(options.records / produced[0].wall_seconds)
    return outcome


def memory(broker, options):
    """Resident memory over a long run, clean and failing: does it grow?"""
    topic = broker.preload(options.records)
    results = Results("memory", options.records, {"failurePercent": options.failure_percent})
    for name, arguments, limit in (("clean", [], "<= 64"), ("failing", clients.failing(options.failure_percent), "<= 160")):
        client = clients.Worker(options.worker, f"worker, {name}", arguments, sampled=True, every=0.2)
        outcome = client.run(broker.address, topic, options.timeout)
        sizes = [(sample.at, sample.rss_mib, sample.total("orderpipeline_consumer_parked_orders")) for sample in outcome.samples]
        results.add(outcome, resident=[[round(at, 1), round(size, 1), parked] for at, size, parked in sizes])
        half = len(sizes) // 2
        results.figure(f"{name}, peak MiB", outcome.max_rss_mib, limit)
        results.figure(f"{name}, most MiB in the first half", max((size for _, size, _ in sizes[:half]), default=None))
        results.figure(f"{name}, most MiB in the second half", max((size for _, size, _ in sizes[half:]), default=None), "as in the first")
        results.figure(f"{name}, most parked", max((parked or 0 for _, _, parked in sizes), default=None))
    results.save()


def median(results, client, member):
    spread = results.spread(client, member)
    return spread[0] if spread else None


# Scenario: function, default records, default runs, default orders/s.
SCENARIOS = {
    "drain": (drain, 2_000_000, 5, 0),
    "failing": (failing, 200_000, 5, 0),
    "load": (load, 15_000_000, 1, 500_000),
    "latency": (latency, 20_000, 3, 1_000),
    "memory": (memory, 24_000_000, 1, 0),
}
