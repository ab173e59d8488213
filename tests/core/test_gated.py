"""A venue whose gate is closed leaves nothing behind in the merged book: no offer, no top, and its reason."""

from hypothesis import given
from hypothesis import strategies as st

from registry.model import OutcomeId
from router.core.gated import left_out, spoken, without
from router.core.merge import Merged, Offer
from router.core.model import LeftOut, MarketOrder, Terms
from tests.core.curves import FlatFee
from tests.core.samples import listing
from venues.base.contract import Traits
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size

VENUES = ("north", "south", "west")
NAMES = [(venue, f"{venue}-{n}") for venue in VENUES for n in range(2)]


def merged(prices: list[list[int]], unusable: dict[int, str]) -> Merged:
    """Two listings per venue, offers at these prices in cents."""
    terms = tuple(
        Terms(listing=listing(venue=venue, native=native), curve=FlatFee(), traits=Traits())
        for venue, native in NAMES
    )
    offers: list[Offer] = sorted(
        (cents * 10**7, index, Price(cents * 10_000), Size(ONE), Cash(cents * 10_000), Size(ONE))
        for index, each in enumerate(prices)
        if index not in unusable
        for cents in set(each)
    )
    tops = tuple(next((o for o in offers if o[1] == index), None) for index in range(len(NAMES)))
    return Merged(Side.BUY, terms, offers, tops, {terms[i].listing.key: why for i, why in unusable.items()})


indexes = st.integers(0, len(NAMES) - 1)


@given(
    st.lists(st.lists(st.integers(1, 99), max_size=4), min_size=len(NAMES), max_size=len(NAMES)),
    st.dictionaries(indexes, st.just("stale")),
    st.dictionaries(indexes, st.just("breaker_open")),
)
def test_what_is_closed_is_gone_and_the_rest_is_as_it_was(
    prices: list[list[int]], unusable: dict[int, str], closed: dict[int, str]
) -> None:
    before = merged(prices, unusable)
    keys = [terms.listing.key for terms in before.terms]
    after = without(before, {keys[index]: why for index, why in closed.items()})
    assert list(after.offers) == [offer for offer in before.offers if offer[1] not in closed]
    assert after.tops == tuple(None if i in closed else top for i, top in enumerate(before.tops))
    assert after.unusable == {keys[i]: why for i, why in {**unusable, **closed}.items()}
    asked = MarketOrder(outcome=OutcomeId("px-aaaaaaaaaaaa"), side=Side.BUY, amount=Cash(ONE))
    told = {entry.venue: entry.reason for entry in left_out(after, asked)}
    for n, venue in enumerate(VENUES):
        reasons = [{**unusable, **closed}.get(index) for index in (2 * n, 2 * n + 1)]
        assert told.get(venue) == (reasons[0] if all(reasons) else None), "only where nothing is left of it"


def test_a_venue_the_caller_did_not_want_is_not_told_as_left_out() -> None:
    book = merged([[50]] * len(NAMES), dict.fromkeys(range(len(NAMES)), "stale"))
    asked = MarketOrder(
        outcome=OutcomeId("px-aaaaaaaaaaaa"),
        side=Side.BUY,
        amount=Cash(ONE),
        venues=frozenset({"north", "south"}),
        exclude_venues=frozenset({"south"}),
    )
    assert left_out(book, asked) == (LeftOut(venue="north", reason="stale"),)


def test_a_reason_is_spoken_without_its_underscores() -> None:
    assert spoken(LeftOut(venue="north", reason="breaker_open")) == "north (breaker open)"
