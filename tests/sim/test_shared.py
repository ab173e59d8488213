"""Times, ids, signatures and unwinding that several simulated venues share."""

from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size
from venues.kit.eip712 import Key, keccak
from venues.sim.engine import Exchange
from venues.sim.ids import new_uuid
from venues.sim.model import Fill, Market, SimOrder
from venues.sim.times import iso, read_iso
from venues.sim.unwinding import can_unwind
from venues.sim.wallet import signed_by

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_a_known_moment_is_written_as_everybody_writes_it() -> None:
    assert iso(1_795_178_096_789) == "2026-11-20T12:34:56.789Z"
    assert iso(0) == "1970-01-01T00:00:00.000Z"


@given(st.integers(0, 4_102_444_800_000))
def test_times_come_back(at_ms: int) -> None:
    assert read_iso(iso(at_ms)) == at_ms


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-20T12:34:56Z", "2026-11-20T12:34:56.789+00:00", "2026-02-30T12:34:56.789Z",
     "2026-11-20T24:00:00.000Z", "2026-13-01T00:00:00.000Z", "0000-01-01T00:00:00.000Z",
     "2026-11-20 12:34:56.789Z"],
)  # fmt: skip
def test_a_time_written_otherwise_is_none(text: str) -> None:
    assert read_iso(text) is None


def test_ids_are_uuids_of_version_4_and_repeat_with_the_seed() -> None:
    one, other = [new_uuid(Random(1)) for _ in range(2)]
    assert one == other == str(UUID(one))
    assert (UUID(one).version, UUID(one).variant) == (4, "specified in RFC 4122")
    luck = Random(1)
    assert len({new_uuid(luck) for _ in range(1_000)}) == 1_000


def test_a_signature_names_its_maker_and_nobody_else() -> None:
    key, digest = Key("0x" + "11" * 32), keccak(b"an order")
    signature = key.sign(digest)
    assert signed_by(digest, signature) == key.address
    assert signed_by(keccak(b"another"), signature) != key.address
    assert signed_by(digest, signature[:64]) is None
    assert signed_by(digest, signature[:64] + b"\x00") is None
    assert signed_by(digest, bytes(32) + signature[32:]) is None


def test_the_second_signature_of_the_same_digest_is_refused() -> None:
    key, digest = Key("0x" + "11" * 32), keccak(b"an order")
    signature = key.sign(digest)
    high = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])
    assert signed_by(digest, twin) is None


def traded() -> tuple[Exchange, list[tuple[SimOrder, Fill]]]:
    """Ann has bought ten shares from Bob at 0.4; 1 share was kept as a fee, and Bob paid nothing."""
    kept = Charge(shares=Size(ONE))
    exchange = Exchange(lambda *fill: kept if fill[3] else Charge(), nets_positions=False)
    market = Market("M", ("M",))
    exchange.add_market(market)
    ann, bob = exchange.open_account("ann", Cash(10 * ONE)), exchange.open_account("bob", Cash(0))
    exchange.grant(bob, market, 0, Size(10 * ONE))
    orders = [
        SimOrder(
            order_id=name, account=name, market=market, outcome=0, side=side, price=Price(400_000),
            size=Size(10 * ONE), cash=None, time_in_force=TimeInForce.GTC, created_ms=0,
        )
        for name, side in ((bob.name, Side.SELL), (ann.name, Side.BUY))
    ]  # fmt: skip
    for order in orders:
        exchange.place(order, 0)
    return exchange, [(order, fill) for order in orders for fill in order.fills]


def test_a_trade_can_be_taken_back_while_both_still_have_what_it_gave() -> None:
    exchange, parties = traded()
    assert can_unwind(exchange, parties)
    for order, fill in parties:
        exchange.unwind(order, fill, 1)
    exchange.audit()
    assert (exchange.accounts["ann"].cash, exchange.accounts["bob"].cash) == (10 * ONE, 0)


@pytest.mark.parametrize("account", ["ann", "bob"])
def test_a_trade_stays_when_one_side_has_spent_a_part_of_it(account: str) -> None:
    exchange, parties = traded()
    if account == "ann":
        exchange.accounts["ann"].positions["M", 0] = Size(9 * ONE - 1)
    else:
        exchange.accounts["bob"].reserved = Cash(1)
    assert not can_unwind(exchange, parties)
