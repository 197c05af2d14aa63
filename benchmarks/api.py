"""One authenticated call: the portal's beside a plain view, the web server's limit and the peers."""

from contextlib import contextmanager

from benchmarks.flood import wrong_keys
from benchmarks.load import Calls, cost_ratio, measure, ratio
from benchmarks.peers.data import PEERS
from benchmarks.servers import granian, portal

ME = "/api/v1/me"
VERIFY = "/api/v1/verify?function=SendDocument&organisation=ORGANISATION"
SEND = "/api/v1/ORGANISATION/outbox"
# Calls are counted in memory and written every two seconds: a burst has its share of that, and the rest of it
# is waited for, or it would slow down the burst that comes next.
COUNTED = {"seconds": 2, "afterwards": 2.2}


@contextmanager
def cases(installation, peers):
    """All cases, their servers running."""
    keys, document = installation.folder / "keys.tsv", installation.folder / "document.xml"
    with (
        portal(installation) as ours,
        granian("benchmarks.bare:application", installation, "/") as bare,
        granian("benchmarks.peers.wsgi:application", peers, "/none") as theirs,
    ):
        yield [
            Calls("bare WSGI", bare, "/"),
            Calls("plain", ours, "/plain"),
            Calls("same handler", ours, "/api/v1/without-keys/me"),
            Calls("me", ours, ME, keys, **COUNTED),
            Calls("verify", ours, VERIFY, keys, **COUNTED),
            Calls("send", ours, SEND, keys, document, **COUNTED),
            *(Calls(it, theirs, f"/{it}", peers.folder / f"{it}.tsv") for it in PEERS),
        ]


def compare(installation, peers, rounds):
    """The figures of all cases by their names, and the ratios that the goals are about."""
    with cases(installation, peers) as found:
        measure(found, rounds)
    by_name = {case.name: case for case in found}
    plain, me = by_name["plain"], by_name["me"]
    table = {
        case.name: case.figures() | {"to plain": ratio(case, plain), "CPU": cost_ratio(case, plain)}
        for case in found
    }
    fastest = max((by_name[name] for name in PEERS), key=lambda case: case.median("rate"))
    ratios = {
        "me / plain": ratio(me, plain),
        "me / same handler": ratio(me, by_name["same handler"]),
        "me / fastest peer": ratio(me, fastest),
        "verify / plain": ratio(by_name["verify"], plain),
        "send / plain": ratio(by_name["send"], plain),
    }
    return table, ratios, fastest.name


def growth(small, large, rounds):
    """What a call costs with many keys, beside one with few: CPU of web server and database."""
    with portal(small) as few, portal(large) as many:
        pair = [
            Calls("few keys", few, ME, small.folder / "keys.tsv", **COUNTED),
            Calls("many keys", many, ME, large.folder / "keys.tsv", **COUNTED),
        ]
        measure(pair, rounds)
    return cost_ratio(pair[1], pair[0])


def visits(installation):
    """The calls as visits whose queries are counted, and one with junk that has no right checksum."""
    keys, document = str(installation.folder / "keys.tsv"), installation.folder / "document.xml"
    junk = installation.folder / "junk.tsv"
    junk.write_text("\n".join(wrong_keys()[1]))
    return [
        {"name": "plain", "path": "/plain"},
        {"name": "same handler", "path": "/api/v1/without-keys/me"},
        {"name": "me", "path": ME, "keys": keys},
        {"name": "verify", "path": VERIFY, "keys": keys, "status": 204},
        {"name": "send", "path": SEND, "keys": keys, "document": str(document), "status": 201},
        {"name": "junk", "path": ME, "keys": str(junk), "status": 401},
    ]


def visits_of(peers):
    """The same for the peers."""
    return [{"name": it, "path": f"/{it}", "keys": str(peers.folder / f"{it}.tsv")} for it in PEERS]
