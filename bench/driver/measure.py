"""Runs one process on its core: wall time, CPU seconds, peak memory, and samples of its /metrics while it runs."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field

# The broker's core, and that of all that is not measured; the client has the other to itself.
BROKER_CPU, CLIENT_CPU = "0", "1"


@dataclass
class Measured:
    """How one process went."""

    wall_seconds: float
    cpu_seconds: float
    max_rss_mib: float
    load_before: float
    stdout: str
    samples: list = field(default_factory=list)


@dataclass
class Sample:
    """What /metrics said `at` seconds after the start; series by their text, such as `a_total{x="y"}`."""

    at: float
    rss_mib: float
    series: dict

    def total(self, name):
        """The sum over all series of a metric, or None where it has none."""
        values = [value for series, value in self.series.items() if series.split("{")[0] == name]
        return sum(values) if values else None


def log(words):
    print(words, file=sys.stderr, flush=True)


def run(name, command, cpus, timeout, admin=None, every=0.05):
    """Runs to the end; an exit code other than 0, or more than `timeout` seconds, ends the bench with what was said."""
    pinned = [*(["taskset", "-c", cpus] if cpus else []), *map(str, command)]
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.monotonic()
        process = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        sampler = Sampler(process.pid, admin, started, every)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            killer.cancel()
            samples = sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            sys.exit(f"{name} ended with {process.returncode} after {wall:.1f} s: {' '.join(pinned)}\n{err.read()[-3000:]}")
        return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, load, out.read(), samples)


def wait_for_answer(url, timeout):
    """Asks until the answer is 200."""
    started = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError as error:
            if time.monotonic() - started > timeout:
                sys.exit(f"{url}: {error} for {timeout} s")
            time.sleep(0.05)


class Sampler:
    """Reads /metrics and the resident memory of a process until it is stopped. Without an address: does nothing."""

    def __init__(self, pid, admin, started, every):
        self.pid, self.admin, self.started, self.every = pid, admin, started, every
        self.samples = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        if admin:
            self.thread.start()

    def loop(self):
        # This thread alone; the samples must not cost the client its core.
        os.sched_setaffinity(0, {int(BROKER_CPU)})
        while not self.ended.wait(self.every):
            try:
                with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=2) as answer:
                    series = parse_metrics(answer.read().decode())
                self.samples.append(Sample(time.monotonic() - self.started, resident_mib(self.pid), series))
            except (OSError, ValueError):
                continue  # not up yet, or gone

    def stop(self):
        self.ended.set()
        if self.admin:
            self.thread.join()
        return self.samples


def parse_metrics(text):
    """Prometheus text format to {series: value}."""
    series = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            series[name] = float(value)
    return series


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        found = re.search(r"^VmRSS:\s+(\d+)", status.read(), re.MULTILINE)
    if found is None:
        raise ValueError("the process is ending")
    return int(found.group(1)) / 1024
