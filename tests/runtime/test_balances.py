"""Balances err on the side of too little: a fill counts at once, what it brought when the venue shows it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.balances import Balances
from router.runtime.door import Guard
from tests.core.samples import listing, order
from tests.virtual_time import VirtualClock, VirtualLoop, run
from venues import discover
from venues.base.contract import Signer, Venue
from venues.base.http import Request, Talk, Unavailable
from venues.base.listing import ListingKey
from venues.base.orders import Fee, Filled, OrderId, Side
from venues.base.units import ONE, Cash, Size

T = TypeVar("T")
AGE_MS = 2_000
READ_MS = 100
WHO = AccountId("acct-1")


class Silent(msgspec.Struct):
    """A signer that is never asked."""

    def sign(self, request: Request, now_ms: int) -> Request:
        return request


class Bank:
    """A door behind which every read takes a moment and tells what was there in its middle."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.says: Callable[[], Any] = lambda: {"": Cash(100 * ONE)}
        self.reads = 0

    async def perform(
        self,
        venue: Venue,
        talk: Talk[T],
        *,
        signer: Signer | None = None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> T:
        self.reads += 1
        await self.clock.sleep(READ_MS // 2)
        told: T = self.says()
        await self.clock.sleep(READ_MS // 2)
        return told


class Rig:
    """Balances of one account at the venue "north"."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.bank = Bank(self.clock)
        self.account = Account(account_id=WHO, signers={"north": Silent()})
        known: Mapping[str, Venue] = {"north": next(iter(discover().values()))}
        self.balances = Balances(known, self.bank, self.clock, age_ms=AGE_MS)

    async def cash(self) -> int:
        funds, unread = await self.balances.funds(self.account, ["north"])
        assert not unread
        return funds["north", ""]

    def spend(self, dollars: int, fee: int = 0, **given: Any) -> None:
        """A fill of ours cost this much."""
        cash, charged = Cash(dollars * ONE), Fee(fee * ONE, "USD")
        self.balances.debit(WHO, order(**given), Filled(OrderId("o"), "v", Size(ONE), cash, charged))


def test_a_read_is_remembered_for_a_moment() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        assert await rig.cash() == await rig.cash() == 100 * ONE
        assert rig.bank.reads == 1
        await rig.clock.sleep(AGE_MS + 1)
        await rig.cash()
        assert rig.bank.reads == 2

    run(loop, live())


def test_what_we_spent_is_gone_at_once_with_its_fee() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        await rig.cash()
        rig.spend(30, fee=1)
        assert await rig.cash() == 69 * ONE
        rig.spend(500)
        assert await rig.cash() == 0
        assert rig.bank.reads == 1

    run(loop, live())


def test_a_sale_takes_no_cash() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        await rig.cash()
        rig.spend(30, side=Side.SELL)
        assert await rig.cash() == 100 * ONE

    run(loop, live())


def test_a_first_read_that_a_fill_overtakes_is_lowered_and_not_kept() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        reading = asyncio.ensure_future(rig.cash())
        await rig.clock.sleep(READ_MS - 10)
        rig.spend(30)
        assert await reading == 70 * ONE, "the venue told what it had before the fill"
        rig.bank.says = lambda: {"": Cash(70 * ONE)}
        assert await rig.cash() == 70 * ONE
        assert rig.bank.reads == 2

    run(loop, live())


def test_a_later_read_that_a_fill_overtakes_is_lowered_too() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        await rig.cash()
        await rig.clock.sleep(AGE_MS + 1)
        rig.bank.says = lambda: {"": Cash(500 * ONE)}
        reading = asyncio.ensure_future(rig.cash())
        await rig.clock.sleep(READ_MS - 10)
        rig.spend(30)
        assert await reading == 470 * ONE

    run(loop, live())


def test_a_contradiction_makes_the_next_order_read_again() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        await rig.cash()
        rig.balances.distrust(WHO, "north")
        await rig.cash()
        assert rig.bank.reads == 2

    run(loop, live())


def test_a_venue_that_cannot_be_read_is_named_and_asked_again() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        rig.bank.says = lambda: Unavailable("http 503")
        assert await rig.balances.funds(rig.account, ["north"]) == ({}, {"north": "http 503"})
        assert await rig.balances.holdings(rig.account, [listing()]) == ({}, {"north": "http 503"})
        rig.bank.says = lambda: {"": Cash(ONE)}
        assert await rig.cash() == ONE

    run(loop, live())


def test_shares_are_read_every_time() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        rig = Rig(loop)
        key: ListingKey = listing().key
        rig.bank.says = lambda: {key: Size(5 * ONE)}
        for _ in range(3):
            assert await rig.balances.holdings(rig.account, [listing()]) == ({key: 5 * ONE}, {})
        assert rig.bank.reads == 3

    run(loop, live())
