"""The registry file on disk. One that cannot be read changes nothing: the one in force stays."""

from collections.abc import Collection
from pathlib import Path

from registry.index import Registry
from registry.marked import TEXT_CHARS_MAX
from registry.text import RegistryError, load

FILE_BYTES_MAX = 4 * TEXT_CHARS_MAX
"""No text of the largest size allowed takes more in UTF-8."""


def read_registry(path: Path, venues: Collection[str]) -> Registry:
    """The registry in the file at `path`.

    RegistryError names the file and everything that is wrong, also when the file cannot be read at all.
    Blocks for about a second per 10,000 outcomes: call it at the start, or in a thread.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise RegistryError([f"{path}: larger than {FILE_BYTES_MAX} bytes"])
        return load(content.decode(), venues, file=str(path))
    except OSError as error:
        raise RegistryError([f"{path} (registry.file): cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RegistryError([f"{path}:{line}: not UTF-8"]) from error
