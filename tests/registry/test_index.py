"""The index: both directions agree, and what is claimed twice is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.index import Registry
from registry.model import OUTCOME_ID, Outcome, OutcomeId, mint
from venues.base.listing import ListingKey, Native


def key(text: str, *, inverted: bool = False) -> ListingKey:
    venue, _, native = text.partition(":")
    return ListingKey(venue, Native(native), inverted)


def outcome(name: str, *keys: ListingKey) -> Outcome:
    return Outcome(outcome_id=OutcomeId(f"px-{name}"), title="T", label="Yes", listings=keys)


YES = outcome("yes00000", key("acme:A"), key("acme:B", inverted=True), key("other:7"))
NO = outcome("no000000", key("acme:A", inverted=True), key("acme:B"))
REGISTRY = Registry([YES, NO])


def test_an_outcome_is_found_by_its_id_and_by_each_listing() -> None:
    assert REGISTRY.outcome(YES.outcome_id) is YES
    assert REGISTRY.outcome(OutcomeId("px-unknown0")) is None
    for each in REGISTRY:
        assert all(each in REGISTRY.claims(key.venue, key.native) for key in each.listings)


def test_a_book_names_the_outcomes_on_it_as_it_stands_first() -> None:
    assert REGISTRY.claims("acme", Native("B")) == (NO, YES)
    assert REGISTRY.claims("other", Native("7")) == (YES,)
    assert REGISTRY.claims("other", Native("8")) == ()


def test_each_book_is_needed_once() -> None:
    assert REGISTRY.venues == ("acme", "other")
    assert REGISTRY.natives("acme") == ("A", "B")
    assert REGISTRY.natives("nowhere") == ()


def test_what_is_claimed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="two outcomes have the id px-yes00000"):
        Registry([YES, outcome("yes00000", key("acme:C"))])
    with pytest.raises(ValueError, match="other:7 is claimed twice"):
        Registry([YES, outcome("third000", key("other:7"))])


def test_a_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        REGISTRY.outcomes[YES.outcome_id] = NO  # type: ignore[index]  # what the test is about


@given(st.binary(min_size=8, max_size=16))
def test_a_minted_id_has_our_form_and_is_accepted(luck: bytes) -> None:
    minted = mint(luck)
    assert re.fullmatch(r"px-[a-z2-7]{12}", minted)
    assert OUTCOME_ID.fullmatch(minted)


def test_sixty_bits_of_luck_count() -> None:
    ids = {mint((1 << bit).to_bytes(8, "big")) for bit in range(4, 64)}
    assert len(ids) == 60
