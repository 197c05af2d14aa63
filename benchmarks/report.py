"""The run as text, and what changed since another one."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("django", "django-ninja", "granian", "psycopg", "djangorestframework")
PACKAGES += ("djangorestframework-api-key", "django-rest-knox", "django-oauth-toolkit")


def machine():
    """Where it was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "processor": names[0] if names else platform.machine(),
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def load():
    """The load of the machine in the last minute."""
    return round(os.getloadavg()[0], 2)


def written(results):
    """All of a run as text."""
    parts = [_machine_line(results)]
    for kind, table in results["calls"].items():
        parts.append(_calls(kind, table, results["queries"].get(kind, {})))
    parts += [_pages(kind, table) for kind, table in results["pages"].items()]
    if results["send"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in results["send"].items())
        parts.append(f"Sending an invoice, in time of one process (SQLite): {shares}")
    parts += results["remarks"]
    parts.append(_table(["goal", "limit", "figure", "verdict"], results["goals"]))
    return "\n\n".join(parts)


def changes(results, earlier):
    """Every figure beside that of an earlier run."""
    rows = []
    for name, found in results["figures"].items():
        before = earlier["figures"].get(name)
        if before is not None:
            old, new = _middle(before), _middle(found)
            rows.append([name, f"{old:.3g}", f"{new:.3g}", f"{new / old:.2f} ×" if old else ""])
    return _table(["figure", "earlier", "now", "change"], rows)


def _machine_line(results):
    its = results["machine"]
    size = results["size"]
    quick = "" if size["many_keys"] else " A quick run: verdicts are those of this size."
    packages = ", ".join(f"{name} {number}" for name, number in its["packages"].items())
    return (
        f"{its['cores']} cores, {its['processor']}, Python {its['python']}, commit {its['commit']}; "
        f"load {results['load'][0]} before and {results['load'][1]} after.\n{packages}\n"
        f"{size['keys']:,} keys, {size['rows']:,} rows; {size['rounds']} rounds.{quick}"
    )


def _calls(kind, table, queries):
    rows = [
        [
            name,
            f"{it['rate']:,.0f}",
            _spread(it["to plain"]),
            f"{it['p50']:.2f}",
            f"{it['p99']:.1f}",
            f"{it['cpu']:,.0f}",
            f"{it['database']:,.0f}",
            _spread(it["CPU"]),
            queries.get(name, ""),
        ]
        for name, it in table.items()
    ]
    head = ["call", "req/s", "× plain", "p50 ms", "p99 ms", "CPU µs", "CPU µs in PostgreSQL"]
    return f"{NAMES[kind]}\n" + _table([*head, "CPU × plain", "queries"], rows)


def _pages(kind, table):
    rows = [
        [it["page"], f"{it['rows']:,}", it["queries"], f"{it['cpu']:.1f}", f"{it['database']:.1f}"]
        + [f"{it['to plain']:.1f}", f"{it['p50']:.1f}"]
        for it in table
    ]
    head = ["page", "rows", "queries", "CPU ms", "in PostgreSQL", "CPU × plain", "p50 ms"]
    return f"{NAMES[kind]}\n" + _table(head, rows)


NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def _spread(value):
    return f"{value['median']:.2f} [{value['low']:.2f}–{value['high']:.2f}]"


def _middle(value):
    return value["median"] if isinstance(value, dict) else value


def _table(head, rows):
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _commit():
    ran = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return ran.stdout.strip() or "unknown"
