"""The secrets of this server: made at the first start, kept in files that nobody else can read."""

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SHORTEST = 32  # bytes


class ServerKeysError(Exception):
    """A file of secrets cannot be trusted; the message names the file and says what to do."""


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


def secret_key(data: Path) -> str:
    """Django's SECRET_KEY of the installation that keeps its data in the folder `data`.

    The first call makes it; of several first calls at once all get the same one. Raises
    ServerKeysError.
    """
    path = data / "secrets" / "secret_key"
    key = _read_or_make(path, lambda: secrets.token_urlsafe(64)).strip()
    if len(key) < SHORTEST:
        raise _damaged(path, f"is shorter than {SHORTEST} characters")
    return key


def mfa_key(data: Path) -> str:
    """The key under which the secrets of authenticator apps are encrypted: 32 bytes in URL-safe base64.

    The first call makes it, as `secret_key` does. Raises ServerKeysError.
    """
    return _fernet_key(data / "secrets" / "mfa_key")


def chain_key(data: Path) -> str:
    """The key under which the lines of the activity log are sealed, made as `mfa_key` is."""
    return _fernet_key(data / "secrets" / "chain_key")


def books_key(data: Path) -> str:
    """The key under which Koppel Books encrypts the Secrets it is given, made as `mfa_key` is."""
    return _fernet_key(data / "secrets" / "books_key")


def peppers(data: Path) -> Peppers:
    """The peppers of the installation that keeps its data in the folder `data`.

    The first call makes one, as `secret_key` does. A number must stay in the file as long as there
    are digests under it. Raises ServerKeysError.
    """
    return _numbered(data / "secrets" / "peppers.json")


def signing_keys(data: Path) -> Peppers:
    """The keys from which the signing secrets of Autopilot come, numbered and kept as `peppers` are."""
    return _numbered(data / "secrets" / "signing_keys.json")


def _numbered(path: Path) -> Peppers:
    text = _read_or_make(path, _first_peppers)
    try:
        content = json.loads(text)
        current = int(content["current"])
        keys = {int(n): base64.b64decode(k, validate=True) for n, k in content["keys"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path, "does not hold numbered keys as JSON") from None
    if current not in keys:
        raise _damaged(path, f"has no key with its current number {current}")
    for number, key in keys.items():
        if len(key) < SHORTEST:
            raise _damaged(path, f"has a key {number} of less than {SHORTEST} bytes")
    return Peppers(current, keys, path.name)


def _fernet_key(path: Path) -> str:
    key = _read_or_make(
        path, lambda: base64.urlsafe_b64encode(secrets.token_bytes(SHORTEST)).decode()
    )
    try:
        if len(base64.urlsafe_b64decode(key)) == SHORTEST:
            return key
    except ValueError:
        pass
    raise _damaged(path, f"does not hold {SHORTEST} bytes in URL-safe base64")


def _damaged(path: Path, how: str) -> ServerKeysError:
    return ServerKeysError(f"{path} {how}: put the file back from a backup.")


def _first_peppers() -> str:
    key = base64.b64encode(secrets.token_bytes(SHORTEST)).decode()
    return json.dumps({"current": 1, "keys": {"1": key}})


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
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # a key lost in a power cut would lock everybody out
    os.close(folder)
