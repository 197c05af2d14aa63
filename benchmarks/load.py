"""Calls under load, one case beside the other: bursts of a second in shuffled order, and their ratios."""

import itertools
import json
import random
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.servers import Server, spent

SCRIPT = Path(__file__).with_name("calls.lua")
LINES = 8
WARM_LINES = 5
DICE = random.Random(9)  # noqa: S311 (an order, no secret)
_RUNS = itertools.count(int(time.time()))  # never the same again, for data that is kept


@dataclass
class Case:
    """What is called, on which server; and the bursts that were measured."""

    name: str
    server: Server
    path: str
    afterwards: float = field(default=0, kw_only=True)  # seconds of work that calls leave behind
    bursts: list[dict] = field(default_factory=list, kw_only=True)

    def burst(self):
        """Call for a second, and answer the figures of it."""
        before = self.server.cpu(), self.server.database_cpu()
        found = self.called()
        after = self.server.cpu(), self.server.database_cpu()
        cpu, database = map(spent, before, after)
        return found | {"rate": found["calls"] / found["seconds"], "cpu": cpu, "database": database}

    def median(self, name):
        return statistics.median(burst[name] for burst in self.bursts)

    def per_call(self, *names):
        """Microseconds of CPU of a call: "cpu" of the web server, "database" of PostgreSQL."""
        spent = sum(burst[name] for burst in self.bursts for name in names)
        return 1e6 * spent / sum(burst["calls"] for burst in self.bursts)

    def figures(self):
        """What the table and the file say of it."""
        return {
            "rate": self.median("rate"),
            "p50": self.median("p50"),
            "p99": self.median("p99"),
            "cpu": self.per_call("cpu"),
            "database": self.per_call("database"),
        }


@dataclass
class Calls(Case):
    """As many calls as go over eight lines, each with one of the keys in a file."""

    keys: Path | None = None  # without it everybody calls the same
    document: Path | None = None
    seconds: int = 1

    def warm_up(self):
        """Call until there are answers: a cold server needs more than a second for its first one."""
        while not replace(self, seconds=1, afterwards=0).burst()["calls"]:
            pass

    def called(self):
        command = ["wrk", "-t1", f"-c{LINES}", f"-d{self.seconds}s", "--timeout", "30s"]
        command += ["--latency", "-s", str(SCRIPT), self.server.url(self.path), "--"]
        command += [str(next(_RUNS)), *map(str, filter(None, (self.keys, self.document)))]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        time.sleep(self.afterwards)
        found = json.loads(ran.stdout.splitlines()[-1])
        if found["wrong"]:
            raise SystemExit(f"{self.name}: {found['wrong']} of {found['calls']} went wrong.")
        return found


@dataclass
class Visits(Case):
    """One visit after the other, as signed in by a cookie: whole ones only, so that the CPU is theirs."""

    cookie: str = ""
    seconds: float = 1

    def warm_up(self):
        """Over several lines, so that every process has answered, and has its statements prepared."""
        for _line in range(WARM_LINES):
            replace(self, seconds=0.1).burst()

    def called(self):
        line = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        began, took = time.monotonic(), []
        while sum(took) < self.seconds:
            before = time.monotonic()
            line.request("GET", self.path, headers={"Cookie": f"sessionid={self.cookie}"})
            answer = line.getresponse()
            answer.read()
            took.append(time.monotonic() - before)
            if answer.status != 200:
                raise SystemExit(f"{self.name} is answered with {answer.status}.")
        line.close()
        return {
            "calls": len(took),
            "seconds": time.monotonic() - began,
            "p50": 1000 * statistics.median(took),
            "p99": 1000 * max(took),
        }


def measure(cases, rounds):
    """Let each case run once in each round, in another order every time, after a first try of all."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda case: case.warm_up(), cases))
    time.sleep(max(case.afterwards for case in cases))
    for _round in range(rounds):
        for case in DICE.sample(cases, len(cases)):
            case.bursts.append(case.burst())


def ratio(case, base, name="rate"):
    """How many times `base` it is, round by round: median and quartiles."""
    return spread(
        [mine[name] / others[name] for mine, others in zip(case.bursts, base.bursts, strict=True)]
    )


def cost_ratio(case, base):
    """How many times the CPU of a call of `base`, of web server and database together."""

    def cost(burst):
        return (burst["cpu"] + burst["database"]) / burst["calls"]

    return spread([cost(a) / cost(b) for a, b in zip(case.bursts, base.bursts, strict=True)])


def spread(values):
    """Median and quartiles of some figures."""
    low, middle, high = (
        statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    )
    return {"median": middle, "low": low, "high": high}
