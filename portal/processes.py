"""What our processes tell and hear of those that started them."""

import ctypes
import os
import signal
import socket

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl  # looked up here: what runs between fork and exec should do little


def end_with_parent() -> None:
    """Have this process told to end (SIGTERM) when the one that started it ends, by kill -9 too."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def tell_systemd(state: str) -> None:
    """Send a line such as READY=1 to systemd, where it started us as a service of Type=notify."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(state.encode(), address.replace("@", "\0", 1))
