"""python -m benchmarks: makes the data, measures and prints.

DATABASE_URL names the PostgreSQL to make databases on; without it only SQLite is measured.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from benchmarks import api, endurance, flood, goals, instructions, pages, report
from benchmarks.installations import Shelf, say

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Size:
    """How much is made and measured."""

    keys: int
    few_keys: int
    many_keys: int  # 0: growth is not measured
    rows: int
    few_rows: int
    rounds: int
    flood: int  # seconds; 0: not measured

    @property
    def whole(self):
        return bool(self.many_keys)


WHOLE = Size(
    keys=100_000,
    few_keys=1000,
    many_keys=1_000_000,
    rows=100_000,
    few_rows=100,
    rounds=11,
    flood=20,
)
QUICK = Size(keys=2_000, few_keys=1000, many_keys=0, rows=1000, few_rows=100, rounds=1, flood=0)


def run(size, shelves):
    """Measure everything on each kind of database, and answer the results."""
    results = {
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": report.machine(),
        "size": asdict(size),
        "load": [report.load()],
        "figures": {},
        **{name: {} for name in ("calls", "queries", "pages", "send")},
        "remarks": [],
    }
    figures = results["figures"]
    make(size, shelves)
    for shelf in shelves:
        kind = shelf.folder.name
        ours = shelf.portal(size.keys, size.rows)
        few = shelf.portal(size.few_keys, size.few_rows)
        measure_calls(size, shelf, ours, results)
        measure_pages(size, kind, few, ours, results)
        if size.many_keys:
            say(f"{kind}: a call with many keys")
            many = shelf.portal(size.many_keys, size.few_rows)
            figures[f"{kind}: growth"] = api.growth(few, many, size.rounds)
        if size.flood:
            measure_flood(size, kind, ours, results)
    measure_once(size, shelves[0], results)
    results["load"].append(report.load())
    results["goals"] = goals.verdicts(results["figures"])
    return results


def make(size, shelves):
    """Make all data before anything is measured: of both databases at the same time."""
    shelves[0].collect_static()
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(_fill, size), shelves))


def _fill(size, shelf):
    shelf.portal(size.keys, size.rows)
    shelf.portal(size.few_keys, size.few_rows)
    shelf.peers(size.keys)
    if size.many_keys:
        shelf.portal(size.many_keys, size.few_rows)


@contextmanager
def shelves_in(folder):
    """The installations on SQLite, and on PostgreSQL where there is one; kept where a folder is given."""
    kept = folder is not None
    folder = Path(folder or tempfile.mkdtemp(prefix="koppel-bench-")).resolve()
    folder.mkdir(exist_ok=True)
    shelves = [Shelf(folder / "sqlite")]
    if server := os.environ.get("DATABASE_URL"):
        shelves.append(Shelf(folder / "postgresql", server))
    try:
        yield shelves
    finally:
        if not kept:
            for shelf in shelves:
                shelf.drop_all()
            shutil.rmtree(folder)


def measure_calls(size, shelf, ours, results):
    kind, peers = shelf.folder.name, shelf.peers(size.keys)
    say(f"{kind}: calls")
    table, ratios, fastest = api.compare(ours, peers, size.rounds)
    results["calls"][kind] = table
    results["queries"][kind] = inside(ours, api.visits(ours)) | inside(peers, api.visits_of(peers))
    results["figures"] |= {f"{kind}: {name}": value for name, value in ratios.items()}
    results["figures"]["junk queries"] = results["queries"][kind]["junk"]
    results["remarks"].append(f"The fastest peer on {report.NAMES[kind]} was {fastest}.")


def measure_pages(size, kind, few, many, results):
    say(f"{kind}: pages")
    table, figures = pages.compare(few, many, (size.few_rows, size.rows), size.rounds)
    for installation, rows in ((few, size.few_rows), (many, size.rows)):
        queries = inside(installation, pages.visits(installation))
        for row in table:
            if row["rows"] == rows:
                row["queries"] = queries[row["page"]]
    results["pages"][kind] = table
    if not size.whole:  # the goals of growth are about sizes that this run does not have
        figures = {name: value for name, value in figures.items() if "growth" not in name}
    results["figures"] |= {f"{kind}: {name}": value for name, value in figures.items()}


def measure_flood(size, kind, ours, results):
    say(f"{kind}: a flood of wrong keys")
    figures = results["figures"]
    found, remark = flood.measure(ours, size.flood)
    figures[f"{kind}: flood"] = found.pop("flood")
    figures["flood log"] = max(found["flood log"], figures.get("flood log", 0))
    results["remarks"].append(remark)


def measure_once(size, shelf, results):
    """What does not depend on the database, on SQLite."""
    figures, ours = results["figures"], shelf.portal(size.keys, size.rows)
    say("weight, the parts of sending, memory")
    weight, remark = pages.weigh(ours)
    results["remarks"].append(remark)
    results["send"] = json.loads(ours.run("-m", "benchmarks.inside", "shares"))
    figures |= weight | endurance.memory(ours, long=size.whole)
    if size.whole:
        say("start")
        figures["start"] = endurance.start()
        say("instructions")
        figures["instructions"] = instructions.compare(ours)


def inside(installation, visits):
    """How many queries each of the visits takes."""
    return json.loads(
        installation.run("-m", "benchmarks.inside", "queries", told=json.dumps(visits))
    )


def main():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="under three minutes: less of everything"
    )
    parser.add_argument("--data", type=Path, help="a folder that keeps the data for the next run")
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--compare", type=Path, help="the results of an earlier run")
    options = parser.parse_args()
    with shelves_in(options.data) as shelves:
        results = run(QUICK if options.quick else WHOLE, shelves)
    path = options.json or RESULTS / f"{datetime.now():%Y-%m-%d-%H%M}.json"  # noqa: DTZ005 (a name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1))
    say_all = [report.written(results)]
    if options.compare:
        say_all.append(report.changes(results, json.loads(options.compare.read_text())))
    print("\n\n".join(say_all), f"\n\nWritten to {path}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
