"""What our processes tell and hear of those that started them."""

import ctypes
import os
import signal
import socket
import struct
import time

_PR_SET_PDEATHSIG = 1
_SO_ATTACH_FILTER = 26
_WAITING_IN_TCP_INFO = 24  # where the kernel tells of a listening socket how many wait
_prctl = ctypes.CDLL(None).prctl  # looked up here: what runs between fork and exec should do little


def end_with_parent() -> None:
    """Have this process told to end (SIGTERM) when the one that started it ends, by kill -9 too."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def tell_systemd(state: str) -> None:
    """Send a line such as READY=1 to systemd, where it started us as a service of Type=notify."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(state.encode(), address.replace("@", "\0", 1))


def turn_away(listener: socket.socket, *, seconds: float) -> None:
    """Let nobody new into the queue of this listening socket, and wait until those in it were fetched.

    To close it at once would reset them in the middle of their requests. Who comes now hears nothing, and
    after the close a refusal, at the next try of its kernel within a second: a proxy then asks another.
    """
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # return 0 bytes
    program = struct.pack("HP", 1, ctypes.addressof(drop_all))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    deadline = time.monotonic() + seconds
    while _waiting(listener) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)  # for the one that was fetched last to be read


def _waiting(listener):
    told = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    return struct.unpack_from("I", told, _WAITING_IN_TCP_INFO)[0]
