"""A good client beside 500 wrong keys a second: what it notices, and what the log says of them."""

import asyncio
import statistics
import tempfile
import time
from base64 import b64encode
from itertools import chain

from benchmarks.data import made_up_pair
from benchmarks.servers import portal

SECONDS = 20
GOOD_RATE, GOOD_LINES = 50, 2  # calls a second
FLOOD_RATE, FLOOD_LINES = 500, 8
REQUEST = "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\n"


def measure(installation, seconds=SECONDS):
    """The p99 of the good client with the flood beside that without, and megabytes of log a minute."""
    headers = [
        line.split("\t")[0] for line in (installation.folder / "keys.tsv").read_text().splitlines()
    ]
    with tempfile.TemporaryFile() as log, portal(installation, log=log) as server:
        asyncio.run(_paced(server.port, headers, GOOD_RATE, GOOD_LINES, 3))
        alone = asyncio.run(_paced(server.port, headers, GOOD_RATE, GOOD_LINES, seconds))
        before = log.seek(0, 2)
        good, bad = asyncio.run(_both(server.port, headers, seconds))
        written = log.seek(0, 2) - before
    quiet, loud = (statistics.quantiles(times, n=100)[-1] for times in (alone, good))
    remark = (
        f"Flood: {len(bad) / seconds:.0f} wrong keys a second were answered; the good client's p99 was "
        f"{quiet * 1000:.1f} ms without them and {loud * 1000:.1f} ms with them."
    )
    return {"flood": loud / quiet, "flood log": written / 1e6 * 60 / seconds}, remark


async def _both(port, headers, seconds):
    return await asyncio.gather(
        _paced(port, headers, GOOD_RATE, GOOD_LINES, seconds),
        _paced(port, [*chain(*zip(*wrong_keys(), strict=True))], FLOOD_RATE, FLOOD_LINES, seconds),
    )


def wrong_keys():
    """Keys of the right form that nobody has, and as many with a wrong checksum."""
    unknown = [made_up_pair(f"unknown {number}") for number in range(500)]
    right = [f"{pair.app_key}:{pair.secret.reveal()}" for pair in unknown]
    wrong = [f"{text[:-1]}{'A' if text[-1] != 'A' else 'B'}" for text in right]  # its checksum
    return [
        [f"Basic {b64encode(text.encode()).decode()}" for text in texts] for texts in (right, wrong)
    ]


async def _paced(port, headers, rate, lines, seconds):
    """Call so often a second over that many lines; how long each answer took, from when it was due."""
    began = time.monotonic()
    due = [began + number / rate for number in range(int(rate * seconds))]
    calls = [
        _line(port, headers[at::lines], due[at::lines], began + seconds) for at in range(lines)
    ]
    return [took for line in await asyncio.gather(*calls) for took in line]


async def _line(port, headers, due, end):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for number, moment in enumerate(due):
        await asyncio.sleep(moment - time.monotonic())
        if time.monotonic() > end:
            break
        header = headers[number % len(headers)]
        writer.write(f"{REQUEST}Authorization: {header}\r\n\r\n".encode())
        await _answer(reader)
        took.append(time.monotonic() - moment)
    writer.close()
    return took


async def _answer(reader):
    """Read one answer to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
