"""What was measured, on a screen and in a file: medians with their spread, ratios, and what it ran on."""

import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

from .broker import ROOT

RESULTS = ROOT / "bench" / "results"
PEERS = ROOT / "bench" / "peers"


class Results:
    """The runs of one scenario."""

    def __init__(self, scenario, records, settings):
        self.scenario, self.records, self.settings = scenario, records, settings
        self.runs = []
        self.figures = {}
        self.notes = []

    def add(self, outcome, **more):
        number = 1 + sum(run["client"] == outcome.client for run in self.runs)
        entry = {**outcome.entry(number), **more}
        self.runs.append(entry)
        print(f"  {entry['client']:>18} run {number}: {entry['recordsPerSecond']:>10,}/s  "
              f"{entry['cpuSecondsPerMillion']:.3f} CPU s/M  {entry['maxRssMiB']:.0f} MiB  "
              f"load {entry['loadBefore']:.2f}", flush=True)  # fmt: skip

    def figure(self, name, value, target=None):
        """One number a target is set for, such as a ratio; kept and printed."""
        value = None if value is None else round(value, 4)
        self.figures[name] = {"value": value, "target": target}

    def spread(self, client, member):
        """[median, min, max] over a client's runs, or None where it has none."""
        values = [run[member] for run in self.runs if run["client"] == client and run.get(member) is not None]
        return [statistics.median(values), min(values), max(values)] if values else None

    def ratio(self, member, client, other):
        one, two = self.spread(client, member), self.spread(other, member)
        return one[0] / two[0] if one and two and two[0] else None

    def clients(self):
        return list(dict.fromkeys(run["client"] for run in self.runs))

    def table(self):
        """Markdown, as it stands in docs/performance.md."""
        return table(self.document())

    def document(self):
        members = ("recordsPerSecond", "seconds", "cpuSecondsPerMillion", "processCpuSecondsPerMillion", "maxRssMiB")
        summary = {client: {member: self.spread(client, member) for member in members} for client in self.clients()}
        return {
            "scenario": self.scenario, "records": self.records, "settings": self.settings,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(),
            "versions": versions(), "summary": summary, "figures": self.figures, "notes": self.notes, "runs": self.runs,
        }  # fmt: skip

    def save(self):
        """Prints the table and writes bench/results/<date>-<scenario>-<records>.json."""
        document = self.document()
        print(f"\n{table(document)}")
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / f"{document['date'][:10]}-{self.scenario}-{self.records}.json"
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {os.path.relpath(file)}")


def table(document):
    """The Markdown tables of one results file: clients, then figures against their targets."""
    lines = ["| client | runs | orders/s, median (min-max) | CPU s per million | of the whole process | peak MiB |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for client, spread in document["summary"].items():
        count = sum(run["client"] == client for run in document["runs"])
        rate, cpu, process, rss = (spread[name] for name in (
            "recordsPerSecond", "cpuSecondsPerMillion", "processCpuSecondsPerMillion", "maxRssMiB"))  # fmt: skip
        lines.append(f"| {client} | {count} | {rate[0]:,.0f} ({rate[1]:,.0f}-{rate[2]:,.0f}) | {cpu[0]:.3f} | {process[0]:.3f} | {rss[0]:.0f} |")
    if document["figures"]:
        lines += ["", "| figure | measured | target |", "|---|---|---|"]
        for name, figure in document["figures"].items():
            value = "not measured" if figure["value"] is None else f"{figure['value']:,.4g}" if abs(figure["value"]) < 1000 else f"{figure['value']:,.0f}"
            lines.append(f"| {name} | {value} | {figure['target'] or ''} |")
    return "\n".join(lines + ["", *document["notes"]]).rstrip()


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def machine():
    cpu = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu.group(1) if cpu else platform.machine(), "cores": os.cpu_count(), "memoryGiB": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}", "load": [round(load, 2) for load in os.getloadavg()],
    }  # fmt: skip


def versions():
    def pinned(file, pattern):
        found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"))
        return found.group(1) if found else "unknown"

    return {
        "revision": first_line("git", "describe", "--always", "--dirty"), "rustc": first_line("rustc", "--version"),
        "java": first_line("java", "-version"), "python": sys.version.split()[0],
        "kafka": pinned("testbed/kafka/pom.xml", r"<kafka.version>([^<]+)"),
        "rdkafka": pinned("Cargo.lock", r'name = "rdkafka"\nversion = "([^"]+)'),
        "librdkafka": pinned("Cargo.lock", r'name = "rdkafka-sys"\nversion = "[^"+]+\+([^"]+)'),
        "kafka-clients": pinned("bench/peers/java/client.pom.xml", r"kafka-clients</artifactId><version>([^<]+)"),
        "avro": pinned("bench/peers/java/client.pom.xml", r"avro</artifactId><version>([^<]+)"),
        "parallel-consumer": pinned("bench/peers/java/parallel.pom.xml", r"consumer-core</artifactId><version>([^<]+)"),
        "confluent-kafka": pinned("bench/peers/python/requirements.txt", r"confluent-kafka==(\S+)"),
        "fastavro": pinned("bench/peers/python/requirements.txt", r"fastavro==(\S+)"),
    }  # fmt: skip
