"""Pages: what they cost with few and with many rows, and what a visit weighs."""

import gzip
import re
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import Request, urlopen

from benchmarks.load import Visits, cost_ratio, measure, spread
from benchmarks.servers import portal

# The page with 100 checks of healthchecks 3 costs 122 ms of CPU where the plain view costs 0.682: it is not
# on the Python index, so it was measured once, on the same server and database as these.
HEALTHCHECKS = 122 / 0.682
BROWSER = {"Accept-Encoding": "gzip, deflate, br"}


@dataclass(frozen=True)
class List:
    """A page with lists: its address, and as whom it is visited."""

    name: str
    path: str
    visitor: str


def lists(note):
    """The first page, and the three heaviest lists, each full with 50 rows."""
    return [
        List("home", "/", "accountant"),
        List("connections", "/connections/", "accountant"),
        List("invoices", note["inbox"], "receiver"),
        List("clients", "/clients/", "accountant"),
    ]


@contextmanager
def cases(few, many):
    """Each list in both installations, and the plain view beside them."""
    with portal(few) as small, portal(many) as large:
        yield (
            Visits("plain", large, "/plain"),
            [
                Visits(page.name, server, page.path, cookie=it.note["cookies"][page.visitor])
                for it, server in ((few, small), (many, large))
                for page in lists(it.note)
            ],
        )


def compare(few, many, rows, rounds):
    """A table of the lists, and the figures that the goals are about."""
    with cases(few, many) as (plain, pages):
        measure([plain, *pages], rounds)
    half = len(pages) // 2
    table, figures = [], {}
    for number, case in zip([rows[0]] * half + [rows[1]] * half, pages, strict=True):
        table.append(
            {
                "page": case.name,
                "rows": number,
                "cpu": case.per_call("cpu") / 1000,
                "database": case.per_call("database") / 1000,
                "to plain": cost_ratio(case, plain)["median"],
                "p50": case.median("p50"),
            }
        )
    for small, large in zip(pages[:half], pages[half:], strict=True):
        name, to_plain = large.name, cost_ratio(large, plain)
        figures[f"{name} CPU"] = spread([_cost(burst) for burst in large.bursts])
        figures[f"{name} / healthchecks"] = {k: v / HEALTHCHECKS for k, v in to_plain.items()}
        figures[f"{name} growth"] = cost_ratio(large, small)
    return table, figures


def _cost(burst):
    """Milliseconds of CPU of a page, of web server and database together."""
    return 1000 * (burst["cpu"] + burst["database"]) / burst["calls"]


def visits(installation):
    """The lists as visits whose queries are counted."""
    note = installation.note
    return [
        {"name": it.name, "path": it.path, "cookie": note["cookies"][it.visitor]}
        for it in lists(note)
    ]


# Weight


def weigh(installation):
    """Kilobytes of a first visit, of later pages, and a line on what they consist of."""
    with portal(installation) as server:
        note = installation.note
        sign_in, files = _first_visit(server)
        pages = {it.name: _page(server, it.path, note["cookies"][it.visitor]) for it in lists(note)}
    first = len(sign_in) + sum(files.values())
    later = {name: len(gzip.compress(html)) for name, html in pages.items()}
    parts = ", ".join(f"{name} {size / 1000:.1f}" for name, size in files.items())
    sizes = ", ".join(
        f"{name} {later[name] / 1000:.1f} ({len(html) / 1000:.0f} as served)"
        for name, html in pages.items()
    )
    return (
        {"first visit": first / 1000, "later page": max(later.values()) / 1000},
        f"First visit, KB as served: the sign-in page {len(sign_in) / 1000:.1f}, {parts}.\n"
        f"Later pages, KB with gzip: {sizes}. They are served without compression on purpose: it would\n"
        "betray what they hold to who measures them.",
    )


def _first_visit(server):
    """The sign-in page, and the size of every file that it needs, by its name."""
    html = _fetched(server, "/accounts/login/")
    files, waiting = {}, _files_in(html.decode(), "/")
    for path in waiting:
        if path in files:
            continue
        files[path] = len(_fetched(server, path))
        if path.endswith((".css", ".js")):
            waiting += _files_in(_fetched(server, path, plain=True).decode(), path)
    return html, {path.rpartition("/")[2]: size for path, size in files.items()}


def _files_in(text, path):
    """The addresses of files that a page, a stylesheet or a script has fetched."""
    folder = path.rpartition("/")[0]
    found = re.findall(r'(?:href|src)="(/static/[^"#]+)', text)
    relative = re.findall(r'url\("?([^")#]+)"?\)|(?:from|import) ?"(\./[^"]+)"', text)
    for address in filter(None, (a or b for a, b in relative)):
        if not address.startswith(("data:", "http")):
            found.append(address if address.startswith("/") else _joined(folder, address))
    return list(dict.fromkeys(found))


def _joined(folder, address):
    parts = folder.split("/")
    for part in address.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _page(server, path, cookie):
    return _fetched(server, path, headers={"Cookie": f"sessionid={cookie}"})


def _fetched(server, path, *, plain=False, headers=None):
    wanted = {} if plain else BROWSER
    with urlopen(Request(server.url(path), headers=wanted | (headers or {})), timeout=30) as it:
        return it.read()
