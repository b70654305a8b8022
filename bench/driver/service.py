"""Calling a service for each order: how near do calls a second come to max-in-flight / the service's time?"""

import statistics
import sys

from . import clients
from .results import Results
from .scenarios import median

SERVICE_SECONDS = 0.010
IN_FLIGHT = (100, 300, 1000)


def http(broker, options):
    """A service of 10 ms that refuses a share of the calls for now (503), on the broker's core."""
    percent = round(options.failure_percent)
    results = Results("http", options.records, {"runs": options.runs, "failurePercent": percent, "serviceMilliseconds": 10})
    for _ in range(options.runs):
        for most in IN_FLIGHT:
            # As many seconds for each.
            records = options.records * most // max(IN_FLIGHT)
            topic = broker.preload(records)
            with clients.Service(percent) as service:
                arguments = ["--http-url", service.url, "--max-in-flight", str(most), "--max-dead-letter-ratio-percent", "100"]
                client = clients.Worker(options.worker, f"{most} in flight", arguments)
                outcome = client.run(broker.address, topic, options.timeout)
            if outcome.records != records:
                sys.exit(f"{client.name} resolved {outcome.records:,} of {records:,} orders")
            results.add(outcome, **counted(service.said, outcome, most))
    for most in IN_FLIGHT:
        name = f"{most} in flight"
        results.figure(f"{name}: calls/s", median(results, name, "callsPerSecond"))
        results.figure(f"{name}: of max-in-flight / 10 ms", median(results, name, "ofIdeal"), ">= 0.9")
        results.figure(f"{name}: most at the service at a time", median(results, name, "mostUnderWay"), f"<= {most}")
    results.notes.append("Calls a second as the service counts them: the median of the seconds while orders are taken in, without the first.")
    results.save()


def counted(said, outcome, most):
    """What the service counted while fresh orders came."""
    busy = [count for count in said["callsPerSecond"] if count > 0]
    per_second = statistics.median(busy[1 : max(2, int(outcome.more["takenInSeconds"]))] or busy)
    return {
        "callsPerSecond": per_second, "ofIdeal": round(per_second * SERVICE_SECONDS / most, 3),
        "calls": said["calls"], "mostUnderWay": said["mostUnderWay"],
    }  # fmt: skip


# As in `scenarios`: function, default records, default runs, default orders/s.
SCENARIO = (http, 1_000_000, 3, 0)
