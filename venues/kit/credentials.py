"""Reading an account's credentials: what is wrong is named, and never repeated."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def named(name: str, secrets: Mapping[str, str], parse: Callable[[str], T], default: str = "") -> T:
    """What `parse` makes of a secret, or of `default` where it is missing or empty.

    A ValueError of `parse` says which rule is broken; it is raised again with the secret's name before it.
    """
    try:
        return parse(secrets.get(name) or default)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def printable(value: str) -> str:
    """The text itself; ValueError when no header or message can carry it."""
    if not (value and value.isascii() and value.isprintable()):
        raise ValueError("must be printable ASCII and not empty")
    return value


def number_of(meanings: Mapping[int, str]) -> Callable[[str], int]:
    """Reads one of these numbers; ValueError names them all with their meanings."""

    def parse(value: str) -> int:
        if value not in map(str, meanings):
            known = [f"{number} ({meaning})" for number, meaning in meanings.items()]
            raise ValueError(f"must be {', '.join(known[:-1])} or {known[-1]}")
        return int(value)

    return parse
