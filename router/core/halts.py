"""What is halted: all trading, or that of an account, a venue or a market. Cancels and look-ups go on."""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from registry.index import Registry
from registry.model import OutcomeId
from router.core.errors import Halted
from router.core.model import AccountId
from router.core.trail import Change
from venues.base.listing import Listing

ALL = "all"
KINDS = ("account", "venue", "market")
HALTS_MAX = 1_000
"""Halts at once; past this nobody knows what stands still, and `all` is the better word."""
HALTED, RESUMED = "halted", "resumed"
FILE_HALTED, FILE_RESUMED = "file_halted", "file_resumed"
"""The same by the halt file, which alone can lift what it halts."""

_NAME = re.compile(r"(?!:)[\x21-\x7e]{1,200}")
_REASON = re.compile(r"(?:^|\s)#")
"""Where a line's reason begins: a name may have a `#` inside."""


class Scope(msgspec.Struct, frozen=True):
    """What a halt is about."""

    kind: str
    """`all`, or one of KINDS."""
    name: str = ""
    """The account, the venue, the outcome's id, or `venue:native` for one book; a market's other side too."""

    def __post_init__(self) -> None:
        """ValueError for what cannot be halted."""
        if self.kind == ALL and not self.name:
            return
        if self.kind == ALL:
            raise ValueError(f"all takes no name, and {self.name!r} was given: nothing is done")
        if self.kind not in KINDS:
            raise ValueError(f"a halt is of all, or of one of {', '.join(KINDS)}, not of {self.kind!r}")
        if not _NAME.fullmatch(self.name):
            rule = "1 to 200 visible ASCII characters, without blanks or a colon in front"
            raise ValueError(f"{self.kind}: its name is {rule}, not {self.name!r}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


def scope_of(text: str) -> Scope:
    """A scope from what `str` made of it, or from words: `all`, `venue NAME`. Or ValueError."""
    kind, name = ([*re.split(r"[:\s]+", text.strip(), maxsplit=1), ""])[:2]
    return Scope(kind, name)


def read_file(text: str) -> dict[Scope, str]:
    """What a halt file halts, and its reasons: a scope a line, after a blank and `#` the reason.

    A file that says nothing, or anything that cannot be understood, halts all.
    """
    found: dict[Scope, str] = {}
    for line in text.splitlines():
        words, why = [*_REASON.split(line, maxsplit=1), ""][:2]
        if words.strip():
            try:
                found[scope_of(words)] = why.strip()
            except ValueError:
                found[Scope(ALL)] = f"not understood: {words.strip()[:80]}"
    return found or {Scope(ALL): ""}


def _with(outcome: OutcomeId, registry: Registry) -> Iterator[str]:
    """The outcome and all that are traded on one of its books."""
    yield outcome
    found = registry.outcome(outcome)
    for key in found.listings if found is not None else ():
        yield from (other.outcome_id for other in registry.claims(key.venue, key.native))


def _of(listing: Listing | None, registry: Registry) -> Iterator[str]:
    """A listing's book and its mirror, and the outcomes traded on either."""
    for native in (listing.native, listing.mirror) if listing is not None else ():
        if listing is not None and native:
            yield f"{listing.venue}:{native}"
            yield from (other.outcome_id for other in registry.claims(listing.venue, native))


class Halts:
    """Everything that is halted now."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        """What these changes, oldest first, have left standing."""
        self.by_command: dict[Scope, Change] = {}
        self.by_file: dict[Scope, Change] = {}
        for change in changes:
            self.apply(change)

    def apply(self, change: Change) -> None:
        """One more change. Others than halts do nothing."""
        if change.what not in (HALTED, RESUMED, FILE_HALTED, FILE_RESUMED):
            return
        scope = scope_of(change.subject)
        standing = self.by_command if change.what in (HALTED, RESUMED) else self.by_file
        if change.what in (HALTED, FILE_HALTED):
            standing[scope] = change
        else:
            standing.pop(scope, None)

    @property
    def standing(self) -> Mapping[Scope, Change]:
        """Each halted scope once."""
        return self.by_command | self.by_file

    def check(
        self,
        account: AccountId,
        outcome: OutcomeId,
        listing: Listing | None = None,
        *,
        registry: Registry,
    ) -> None:
        """Whether this account may trade this outcome, on this listing. Raises Halted.

        A market is halted both ways: with an outcome every other one that the `registry` has on one of its
        books, and with a book its mirror.
        """
        wanted = [Scope(ALL), Scope("account", account)]
        if listing is not None:
            wanted.append(Scope("venue", listing.venue))
        markets = dict.fromkeys((*_with(outcome, registry), *_of(listing, registry)))
        for scope in (*wanted, *(Scope("market", name) for name in markets)):
            change = self.by_file.get(scope) or self.by_command.get(scope)
            if change is not None:
                why = change.why or "no reason was given"
                raise Halted("halt", str(scope), change.by, sentence=f"{scope} halted by {change.by}: {why}")

    def venues(self) -> frozenset[str]:
        """Those that are halted as a whole."""
        return frozenset(scope.name for scope in self.standing if scope.kind == "venue")
