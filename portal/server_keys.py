"""The secrets of this server: made at the first start, kept in files that nobody else can read.

A file holds numbered keys, and says which of them is current: what is made now is made under that one, what
older ones made is still read. A key turns in two steps (decision 35): `add` gives every process the new one
to read with, `switch` makes it the current one; `drop` takes an old one out when nothing hangs on it.
"""

import base64
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from portal.disk import sync

SHORTEST = 32  # bytes


class ServerKeysError(Exception):
    """A file of secrets cannot be trusted; the message names the file and says what to do."""


class NotNow(Exception):
    """The step would do harm or is not the next one; the message says why, and what to do."""


@dataclass(frozen=True)
class Peppers:
    """Numbered secrets of the server; what is made now takes the number `current`."""

    current: int
    keys: Mapping[int, bytes] = field(repr=False)
    file: str = "peppers.json"

    def get(self, number: int) -> bytes:
        """The secret of `number`, 32 bytes or more. Raises ServerKeysError when there is none."""
        if number not in self.keys:
            raise ServerKeysError(f"{self.file} has no key {number}: put it back from a backup.")
        return self.keys[number]

    @property
    def current_first(self) -> list[bytes]:
        """The secrets in the order in which one tries them: the current one, then the newest."""
        older = sorted(self.keys.keys() - {self.current}, reverse=True)
        return [self.keys[number] for number in [self.current, *older]]


# What can turn, and its file. Some keys are text; the others JSON holds in base64.
TURNING = {
    "peppers": "peppers.json",
    "secret_key": "secret_key",
    "mfa_key": "mfa_key",
    "signing_keys": "signing_keys.json",
}
_TEXT = {"secret_key", "mfa_key"}


def secret_keys(data: Path) -> list[str]:
    """Django's SECRET_KEY of the installation that keeps its data in the folder `data`, then the fallbacks.

    The first call makes it; of several first calls at once all get the same one. Raises
    ServerKeysError.
    """
    return [key.decode() for key in read(data, "secret_key").current_first]


def mfa_keys(data: Path) -> list[str]:
    """The keys under which the secrets of authenticator apps are encrypted: 32 bytes in URL-safe base64.

    New ones are encrypted under the first. The first call makes it, as `secret_keys` does. Raises
    ServerKeysError.
    """
    return [key.decode() for key in read(data, "mfa_key").current_first]


def chain_key(data: Path) -> str:
    """The key under which the lines of the activity log are sealed, made like `mfa_keys`. It never turns."""
    return _fernet_key(data / "secrets" / "chain_key")


def books_key(data: Path) -> str:
    """The key under which Koppel Books encrypts the Secrets it is given, made as `chain_key` is."""
    return _fernet_key(data / "secrets" / "books_key")


def peppers(data: Path) -> Peppers:
    """The peppers of the installation that keeps its data in the folder `data`.

    The first call makes one, as `secret_keys` does. A number must stay in the file as long as there
    are digests under it. Raises ServerKeysError.
    """
    return read(data, "peppers")


def signing_keys(data: Path) -> Peppers:
    """The keys from which the signing secrets of Autopilot come, numbered and kept as `peppers` are."""
    return read(data, "signing_keys")


def read(data: Path, name: str) -> Peppers:
    """The numbered keys of one of the files in TURNING. Raises ServerKeysError."""
    path = data / "secrets" / TURNING[name]
    text = _read_or_make(path, lambda: _first(name))
    if name in _TEXT and not text.lstrip().startswith("{"):
        found = Peppers(1, {1: text.strip().encode()}, path.name)  # as the first start makes it
    else:
        found = _of_json(path, text, as_text=name in _TEXT)
    for number, key in found.keys.items():
        if name == "mfa_key" and not _is_fernet_key(key):
            raise _damaged(path, f"does not hold {SHORTEST} bytes in URL-safe base64")
        if len(key) < SHORTEST and name in _TEXT:
            raise _damaged(path, f"is shorter than {SHORTEST} characters")
        if len(key) < SHORTEST:
            raise _damaged(path, f"has a key {number} of less than {SHORTEST} bytes")
    return found


def add(data: Path, name: str) -> int:
    """Add a key that processes read with and make nothing with yet; answers its number.

    Raises NotNow while an added key waits for `switch`, so twice is once; and ServerKeysError.
    """
    with _changing(data, name) as (found, write):
        newest = max(found.keys)
        if newest > found.current:
            raise NotNow(
                f"Key {newest} is in {found.file} already and waits: start the processes anew on every "
                f"machine, then run manage.py server_keys switch {name}"
            )
        write(replace(found, keys={**found.keys, newest + 1: _new(name)}))
    return newest + 1


def switch(data: Path, name: str) -> int:
    """Make the newest key the current one; answers its number.

    Raises NotNow when it is that already, and ServerKeysError.
    """
    with _changing(data, name) as (found, write):
        newest = max(found.keys)
        if newest == found.current:
            raise NotNow(
                f"Key {newest} is the newest in {found.file} and in use: there is nothing to switch to. "
                f"To begin a change run manage.py server_keys add {name}"
            )
        write(replace(found, current=newest))
    return newest


def drop(data: Path, name: str, number: int, check: Callable[[], None]) -> None:
    """Take an old key out of its file for ever.

    `check` is called when no other change is under way, and may refuse by raising. Raises NotNow for the
    current key, a waiting one and one that is not there; and ServerKeysError.
    """
    with _changing(data, name) as (found, write):
        if number not in found.keys:
            raise NotNow(f"{found.file} has no key {number}.")
        if number >= found.current:
            raise NotNow(f"Key {number} of {found.file} is no old one: {found.current} is in use.")
        check()
        write(replace(found, keys={n: key for n, key in found.keys.items() if n != number}))


@contextmanager
def _changing(data, name):
    """The keys of a file as they are, and what writes others; one change at a time on this machine."""
    read(data, name)  # makes the folder
    path = data / "secrets" / TURNING[name]
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # ends with the process
        yield read(data, name), lambda keys: _replace(path, _as_json(keys, as_text=name in _TEXT))
        os.fsync(folder)
    except OSError as error:
        raise ServerKeysError(f"{path} cannot be changed: {error}.") from error
    finally:
        os.close(folder)


def _replace(path, text):
    """Put a new file in the place of the old one: a reader, and a power cut, find one of them whole."""
    new = path.with_name(f".{path.name}.new")  # one that was killed here is written over
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _as_json(found, as_text):
    keys = {
        str(number): (key if as_text else base64.b64encode(key)).decode()
        for number, key in found.keys.items()
    }
    return json.dumps({"current": found.current, "keys": keys})


def _of_json(path, text, as_text):
    try:
        content = json.loads(text)
        current = int(content["current"])
        keys = {
            int(n): k.encode() if as_text else base64.b64decode(k, validate=True)
            for n, k in content["keys"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path, "does not hold numbered keys as JSON") from None
    if current not in keys:
        raise _damaged(path, f"has no key with its current number {current}")
    return Peppers(current, keys, path.name)


def _new(name: str) -> bytes:
    if name == "secret_key":
        return secrets.token_urlsafe(64).encode()
    return _new_fernet_key() if name == "mfa_key" else secrets.token_bytes(SHORTEST)


def _first(name: str) -> str:
    key = _new(name)
    return key.decode() if name in _TEXT else _as_json(Peppers(1, {1: key}), as_text=False)


def _new_fernet_key() -> bytes:
    return base64.urlsafe_b64encode(secrets.token_bytes(SHORTEST))


def _is_fernet_key(key: bytes | str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == SHORTEST
    except ValueError:
        return False


def _fernet_key(path: Path) -> str:
    key = _read_or_make(path, lambda: _new_fernet_key().decode())
    if not _is_fernet_key(key):
        raise _damaged(path, f"does not hold {SHORTEST} bytes in URL-safe base64")
    return key


def _damaged(path: Path, how: str) -> ServerKeysError:
    return ServerKeysError(f"{path} {how}: put the file back from a backup.")


def _read_or_make(path: Path, content: Callable[[], str]) -> str:
    try:
        if not path.exists():
            _make(path, content())
        if path.stat().st_mode & 0o077:
            raise ServerKeysError(f"{path} can be read by other users: run chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServerKeysError(f"{path} cannot be read or made: {error}.") from error


def _make(path: Path, text: str) -> None:
    """Write the whole file or nothing; where another process was faster, its file stands."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8") as file:  # mode 0600
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
    sync(path.parent)  # a key lost in a power cut would lock everybody out
