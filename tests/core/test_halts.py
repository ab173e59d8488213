"""A market is halted both ways, however the registry and the venue tell that two outcomes are opposites."""

import pytest
from msgspec.structs import replace

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from router.core.errors import Halted
from router.core.halts import HALTED, Halts, Scope
from router.core.model import AccountId
from router.core.trail import Change
from tests.core.samples import listing
from venues.base.listing import Listing, ListingKey, Native

ME = AccountId("a")
YES, NO, OTHER = OutcomeId("px-yes"), OutcomeId("px-no"), OutcomeId("px-other")


def book(native: str, mirror: str = "") -> Listing:
    return replace(listing(), venue="north", native=Native(native), mirror=Native(mirror))


def registry(**natives: str) -> Registry:
    """Outcomes by the last word of their id, each on the books named; `~` before one is its complement."""

    def key(name: str) -> ListingKey:
        return ListingKey("north", Native(name.lstrip("~")), name.startswith("~"))

    return Registry(
        Outcome(
            outcome_id=OutcomeId(f"px-{name}"),
            title="T",
            label="L",
            listings=tuple(key(each) for each in books.split()),
        )
        for name, books in natives.items()
    )


def halted(scope: str, outcome: OutcomeId, known: Registry, at: Listing | None = None) -> bool:
    """Whether this one halt keeps the outcome from being traded, on this listing."""
    halts = Halts([Change(at_ms=1, by="a test", what=HALTED, subject=scope)])
    assert Scope("market", scope.partition(":")[2]) in halts.standing
    try:
        halts.check(ME, outcome, at, registry=known)
    except Halted:
        return True
    return False


def test_an_outcome_on_the_same_book_stands_still_wherever_it_is_traded() -> None:
    known = registry(yes="A", no="~A B", other="C")
    assert halted("market:px-yes", NO, known), "also before it is known which book it would be"
    assert halted("market:px-yes", NO, known, book("B"))
    assert not halted("market:px-yes", OTHER, known, book("C"))


def test_an_outcome_on_the_mirror_book_stands_still_there() -> None:
    known = registry(yes="A", no="B", other="C")
    assert halted("market:px-yes", NO, known, book("B", mirror="A"))
    assert not halted("market:px-yes", NO, known, book("D"))
    assert not halted("market:px-yes", OTHER, known, book("C", mirror="D"))


@pytest.mark.parametrize("native", ["A", "B"])
def test_a_book_and_its_mirror_are_one_market(native: str) -> None:
    known = registry(yes="A", no="B")
    assert halted(f"market:north:{native}", YES, known, book("A", mirror="B"))
    assert not halted(f"market:north:{native}", YES, known, book("C"))
    assert not halted(f"market:north:{native}", YES, known), "other venues trade on"


def test_a_market_is_halted_before_it_is_in_the_registry() -> None:
    assert halted("market:px-yes", YES, Registry())
    assert halted("market:north:A", YES, Registry(), book("A"))
