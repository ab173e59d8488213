"""Where a master key comes from: a file, the environment, systemd, a passphrase, or another distribution.

It is named by one text, in the settings and on the command line: `file:PATH`, `env:NAME`, `credential:NAME`,
`passphrase:` before one of these or `passphrase:ask`, or the name of an entry point of `crossbook.masters`, a
colon, and whatever that understands.
"""

import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from getpass import getpass
from importlib.metadata import entry_points
from pathlib import Path

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from router.runtime.vault.seal import KEY_BYTES
from router.runtime.vault.wrap import LocalMaster, Master, MasterFault

ENTRY_POINTS = "crossbook.masters"
"""Each is called with the text after its name and returns a `Master`, or raises MasterFault."""
SALT_BYTES = 16
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
"""128 MiB and a second or two: what OWASP asks for at least (password storage, 2024)."""
PASSPHRASE_LENGTH_MIN = 12
FILE_BYTES_MAX = 4_096
"""A key file that is longer is another file."""
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""Where systemd puts the credentials of a unit."""
OWNER_ONLY = 0o377
"""No bit but the owner's right to read: 0400."""
NOT_OTHERS = 0o007
"""systemd lets the unit's user in by a list that shows as the group's rights."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_PLACES = ("file", "env", "credential")
_KEY = re.compile(r"[0-9a-f]{64}")


def new_master_key() -> str:
    """A fresh master key: 64 hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


def check(source: str) -> None:
    """Whether a text can name a master key at all. ValueError names the rule."""
    kind, _, rest = source.partition(":")
    places = (*_PLACES, *entry_points(group=ENTRY_POINTS).names)
    if kind == "passphrase" and rest != "ask":
        kind, _, rest = rest.partition(":")
        places = _PLACES
    if not rest:
        raise ValueError("must be file:PATH, env:NAME, credential:NAME, passphrase:… or another's name:…")
    if kind not in places and source != "passphrase:ask":
        raise ValueError(f"{kind}: no such kind of master key; known are {', '.join(_PLACES)}, passphrase")
    if kind in ("env", "credential") and not _NAME.fullmatch(rest):
        raise ValueError(f"{kind}: {rest!r} is no name")


def anchored(source: str, folder: Path) -> str:
    """The same place, with a relative path of a file beside the settings."""
    before, file, path = source.rpartition("file:")
    if not file or before not in ("", "passphrase:"):
        return source
    return f"{before}{file}{folder / path}"


def _at_the_terminal(question: str) -> str:
    try:
        return getpass(question)
    except EOFError:
        raise MasterFault(
            "passphrase:ask: nobody is there to ask; passphrase:file:PATH, passphrase:env:NAME and "
            "passphrase:credential:NAME need nobody"
        ) from None


def opener(
    source: str, *, environment: Mapping[str, str] = os.environ, ask: Callable[[str], str] = _at_the_terminal
) -> Callable[[bytes], Master]:
    """Reads the key once; what is returned makes a master of it and a salt, which only passphrases need.

    MasterFault says what is wrong with the place, and never what was found there.
    """
    check(source)
    kind, _, rest = source.partition(":")
    if kind == "passphrase":
        text = ask("Passphrase of the vault: ") if rest == "ask" else _read(rest, environment)
        if len(text) < PASSPHRASE_LENGTH_MIN:
            raise MasterFault(f"{source}: a passphrase has at least {PASSPHRASE_LENGTH_MIN} characters")
        return lambda salt: LocalMaster(stretched(text, salt))
    if kind not in _PLACES:
        [point] = entry_points(group=ENTRY_POINTS, name=kind)
        make: Callable[[str], Master] = point.load()
        master = make(rest)
        return lambda _: master
    text = _read(source, environment)
    if not _KEY.fullmatch(text):
        raise MasterFault(f"{source}: 64 lower-case hexadecimal digits are needed: crossbook keys master new")
    local = LocalMaster(bytes.fromhex(text))
    return lambda _: local


def stretched(passphrase: str, salt: bytes) -> bytes:
    """A key from a passphrase, at a price for whoever guesses it."""
    kdf = Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    return kdf.derive(passphrase.encode())


def write(path: Path, key: str) -> None:
    """Put a master key into a new file that only its owner may read. OSError when there is one already."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with os.fdopen(handle, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(handle)


def _read(source: str, environment: Mapping[str, str]) -> str:
    kind, _, rest = source.partition(":")
    match kind:
        case "env":
            if rest not in environment:
                raise MasterFault(f"{source}: the environment variable is not set")
            return environment[rest].strip()
        case "credential":
            folder = environment.get(CREDENTIALS_DIRECTORY)
            if not folder:
                raise MasterFault(f"{source}: ${CREDENTIALS_DIRECTORY} is not set: not started by systemd")
            return _private(source, Path(folder) / rest, NOT_OTHERS)
        case _:
            return _private(source, Path(rest), OWNER_ONLY)


def _private(source: str, path: Path, forbidden: int) -> str:
    """The text of a file that nobody else may read. What is open is judged, not what the name means later."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise MasterFault(f"{source}: is no file")
            if about.st_mode & forbidden:
                mode = stat.S_IMODE(about.st_mode)
                raise MasterFault(
                    f"{source}: its mode is {mode:04o}, and only its owner may read it: chmod 400"
                )
            if about.st_uid not in (os.geteuid(), 0):
                raise MasterFault(f"{source}: belongs to another user")
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise MasterFault(f"{source}: cannot be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise MasterFault(f"{source}: longer than {FILE_BYTES_MAX} bytes")
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise MasterFault(f"{source}: is not UTF-8 text") from None
