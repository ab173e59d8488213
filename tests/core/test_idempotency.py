"""What a repeat is told, by what is known of the first: under way, answered, cut off, expired."""

from typing import Any

import pytest
from msgspec.structs import replace

from router.core.errors import InProgress, KeyReused, StoreUnavailable, TooBusy
from router.core.idempotency import CLAIMS_MAX, KEPT_MS, KEY, Claim, Claims, recalled
from router.core.model import AccountId, Key, MarketOrder, RouteId
from router.core.records import Finished, Keyed, Record, Replied, StoredRoute, assemble
from tests.core.samples import NOW_MS, order, planned
from venues.base.units import Cash

ALICE, BOB = AccountId("alice"), AccountId("bob")
KEYED = Key("orders", "k")
DAY_MS = 86_400_000
ROUTE = planned(order(), key=KEYED)
ASKED = ROUTE.asked
OTHER = replace(ASKED, amount=Cash(ASKED.amount + 1))
REPLY = Replied(route_id=ROUTE.route_id, status=201, body="{}", at_ms=NOW_MS)


def take(claims: Claims, key: str = "k", *, account: AccountId = ALICE, **given: Any) -> Claim | Replied:
    asked = given.get("asked", ASKED)
    scope = given.get("scope", "orders")
    return claims.take(account, asked, Key(scope, key), at_ms=NOW_MS, since_ms=given.get("since_ms", 0))


def guard(claims: Claims, since_ms: int = 0, asked: MarketOrder = ASKED) -> Claim:
    return claims.guard(ALICE, asked, at_ms=NOW_MS, since_ms=since_ms)


def taken(claims: Claims) -> Claim:
    claim = take(claims)
    assert isinstance(claim, Claim)
    return claim


# --- under way ---


def test_a_key_under_way_is_not_taken_again() -> None:
    claims = Claims(0)
    claim = taken(claims)
    with pytest.raises(InProgress) as before:
        take(claims)
    claim.route_id = RouteId("rord-7")
    with pytest.raises(InProgress) as after:
        take(claims)
    assert (before.value.route_id, after.value.route_id) == (None, "rord-7")


def test_another_order_under_the_key_is_refused_while_it_is_under_way() -> None:
    claims = Claims(0)
    claim = taken(claims)
    for reply in (None, REPLY):
        claim.reply = reply
        with pytest.raises(KeyReused):
            take(claims, asked=OTHER)


def test_keys_of_other_accounts_and_endpoints_have_nothing_to_do_with_it() -> None:
    claims = Claims(0)
    assert (
        len({taken(claims), take(claims, account=BOB), take(claims, scope="quotes"), take(claims, "K")}) == 4
    )


def test_an_answer_that_waits_for_the_disk_is_told_again() -> None:
    claims = Claims(0)
    claim = taken(claims)
    claim.reply = REPLY
    assert take(claims) is REPLY


def test_a_key_whose_intent_is_being_closed_is_not_used_and_not_called_under_way() -> None:
    claims = Claims(0)
    taken(claims).void = True
    with pytest.raises(StoreUnavailable, match="nothing was sent"):
        take(claims)


def test_a_claim_that_was_given_back_frees_its_key_and_its_memory() -> None:
    claims = Claims(0)
    claim = taken(claims)
    claims.give(ALICE, claim)
    claims.give(ALICE, claim)
    assert len(claims) == 0
    assert isinstance(take(claims), Claim)


def test_an_account_has_no_more_claims_than_the_limit_and_others_their_own() -> None:
    claims = Claims(0)
    for number in range(CLAIMS_MAX):
        take(claims, f"k{number}")
    with pytest.raises(TooBusy):
        take(claims, "more")
    with pytest.raises(TooBusy):
        guard(claims)
    take(claims, account=BOB)
    assert len(claims) == CLAIMS_MAX + 1


# --- twins without a key ---


@pytest.mark.parametrize(("age_ms", "refused"), [(0, True), (1_999, True), (2_000, False)])
def test_a_twin_of_a_younger_order_under_way_is_refused(age_ms: int, refused: bool) -> None:
    claims = Claims(2_000)
    guard(claims).route_id = RouteId("rord-7")
    if refused:
        with pytest.raises(InProgress) as told:
            guard(claims, age_ms)
        assert told.value.route_id == "rord-7"
    else:
        guard(claims, age_ms)


def test_a_refused_twin_does_not_prolong_the_time() -> None:
    claims = Claims(2_000)
    guard(claims)
    with pytest.raises(InProgress):
        guard(claims, 1_500)
    guard(claims, 2_500)


def test_only_an_equal_order_of_the_same_account_that_is_still_under_way_is_a_twin() -> None:
    claims = Claims(2_000)
    first = guard(claims)
    guard(claims, asked=OTHER)
    claims.guard(BOB, ASKED, at_ms=NOW_MS, since_ms=0)
    claims.give(ALICE, first)
    guard(claims)


@pytest.mark.parametrize("state", ["under way", "answered", "void"])
def test_an_order_with_a_key_has_twins_while_it_is_under_way(state: str) -> None:
    claims = Claims(2_000)
    claim = taken(claims)
    claim.reply = REPLY if state == "answered" else None
    claim.void = state == "void"
    if state == "under way":
        with pytest.raises(InProgress):
            guard(claims)
    else:
        guard(claims)


def test_a_key_makes_an_equal_order_one_that_is_meant() -> None:
    claims = Claims(2_000)
    guard(claims)
    assert isinstance(take(claims), Claim)


def test_the_guard_can_be_switched_off() -> None:
    claims = Claims(0)
    guard(claims)
    guard(claims)


# --- what the store knows ---


def route(*, finished: bool) -> StoredRoute:
    end: list[Record] = [Finished(route_id=ROUTE.route_id, at_ms=NOW_MS)] if finished else []
    return assemble([ROUTE, *end])


def told(kept: Keyed | None, *, age_ms: int = 0, waited: bool = False, asked: MarketOrder = ASKED) -> object:
    return recalled(asked, kept, now_ms=NOW_MS + age_ms, waited=waited)


def test_a_key_that_nobody_knows_is_free() -> None:
    assert told(None) is None


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("age_ms", [0, 6 * DAY_MS, 7 * DAY_MS - 1])
def test_the_first_answer_is_told_for_a_week_wherever_the_route_stands(finished: bool, age_ms: int) -> None:
    assert told(Keyed(route=route(finished=finished), reply=REPLY), age_ms=age_ms) is REPLY


def test_a_key_is_kept_for_a_week_and_longer_while_its_route_is_open() -> None:
    assert KEPT_MS == 7 * DAY_MS
    assert told(Keyed(route=route(finished=True), reply=REPLY), age_ms=KEPT_MS) is None
    assert told(Keyed(route=route(finished=False), reply=REPLY), age_ms=10 * KEPT_MS) is REPLY


@pytest.mark.parametrize("reply", [None, REPLY])
def test_another_order_under_a_stored_key_is_refused(reply: Replied | None) -> None:
    for finished in (False, True):
        with pytest.raises(KeyReused):
            told(Keyed(route=route(finished=finished), reply=reply), asked=OTHER)


def test_a_route_cut_off_is_answered_when_it_ends_or_the_caller_waited_long_enough() -> None:
    open_route, ended = (Keyed(route=route(finished=finished), reply=None) for finished in (False, True))
    with pytest.raises(InProgress) as waiting:
        told(open_route)
    assert waiting.value.route_id == ROUTE.route_id
    assert told(open_route, waited=True) is open_route.route
    assert told(ended) is ended.route


@pytest.mark.parametrize("text", ["k", "!", "~", "k" * 255, "5f1c-9/+=:"])
def test_a_key_is_visible_ascii(text: str) -> None:
    assert KEY.fullmatch(text)


@pytest.mark.parametrize("text", ["", " ", "a b", "é", "k\n", "k" * 256, "\x7f"])
def test_nothing_else_is_a_key(text: str) -> None:
    assert not KEY.fullmatch(text)
