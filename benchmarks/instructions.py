"""Instructions of a call, which do not move with the load of the machine: callgrind counts them."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

from benchmarks.installations import ROOT

WARM, COUNTED = 20, 40  # calls


def compare(installation):
    """How many times those of the same answer without keys a call of `me` takes; None without valgrind."""
    if not (shutil.which("valgrind") and shutil.which("callgrind_control")):
        return None
    with _process(installation) as (process, call):
        counts = {}
        for what in ("me", "same"):
            call(what, WARM)
            before = _instructions(process)
            call(what, COUNTED)
            counts[what] = _instructions(process) - before
    return counts["me"] / counts["same"]


@contextmanager
def _process(installation):
    """A process under callgrind, which counts nothing until it has started; and how to have it call."""
    command = [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--callgrind-out-file=/dev/null",
    ]
    with subprocess.Popen(
        [*command, sys.executable, "-m", "benchmarks.inside", "repeat"],
        cwd=ROOT,
        env=installation.environment | {"PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def call(what, number):
            process.stdin.write(f"{what} {number}\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise SystemExit("The process under callgrind ended.")

        call("same", 1)
        _control(process, "-i", "on")
        yield process, call
        process.stdin.close()


def _instructions(process):
    """How many it has executed since it counts."""
    said = _control(process, "-e")
    return sum(
        int(number.replace(",", "")) for number in re.findall(r"Th\s*\d+:?\s+([\d,]+)", said)
    )


def _control(process, *arguments):
    ran = subprocess.run(
        ["callgrind_control", *arguments, str(process.pid)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return ran.stdout
