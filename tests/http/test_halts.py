"""`/native/halts` over HTTP: what callers are told, what is cancelled, what is on the trail."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from router.core.halts import ALL, Scope
from router.core.model import AccountId
from router.http import health
from router.http.app import Listener, make_app
from router.runtime.cancel_all import CANCEL_MS_MAX, ON_MS_MAX
from router.runtime.keys import ApiKey, KeyId, KeyRing, digest, new_key
from router.runtime.keys import Scope as Right
from router.runtime.metrics import Metrics
from router.runtime.reconcile import LISTINGS_PER_CALL
from router.service import Router
from tests.http.description import ours
from tests.http.test_app import answer_of
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, NO, YES, World
from venues import discover
from venues.base.contract import Venue
from venues.base.http import Purpose, Request
from venues.base.listing import Listing, Native
from venues.base.orders import Order, OrderId, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size

ORDER = {"predexonId": YES, "side": "buy", "amount": "5.00"}
MANY, LISTED_MIN = 230, 200
"""More than any venue lists on a page, and than any but one may cancel in five seconds. One lists
200 of a market and has no further page: whoever asks again gets the others."""
LISTED_MS = 3_000
"""The slowest venue lists a resting order by then."""
PLACE = f"/api/accounts/{ACCOUNT}/router/orders"


class Ops:
    """A router over HTTP with an admin's key and a trader's."""

    def __init__(self, world: World, router: Router) -> None:
        self.world, self.router, self.port = world, router, 0
        self.admin, self.trader = new_key(), new_key()

    def ring(self) -> KeyRing:
        rights = {self.admin: Right.ADMIN, self.trader: Right.TRADE}
        names = {self.admin: "ops", self.trader: "bot"}
        return KeyRing(
            [
                ApiKey(
                    name=KeyId(names[text]),
                    sha256=digest(text),
                    accounts=frozenset({ACCOUNT}),
                    scopes=frozenset({right}),
                )
                for text, right in rights.items()
            ],
            lambda: 0,
        )

    async def ask(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        data = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"x-api-key: {key or self.admin}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        status, headers, told = answer_of(await asyncio.wait_for(reader.read(), 10))
        writer.close()
        assert ours().faults(method, path, status=status, headers=headers, body=told) == []
        return status, msgspec.json.decode(told)

    async def figures(self) -> bytes:
        """What Prometheus is told."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        told = answer_of(await asyncio.wait_for(reader.read(), 10))[2]
        writer.close()
        return told

    def books(self) -> None:
        """Deep books everywhere."""
        for name, natives in self.world.natives.items():
            bids, asks = [(Price(440_000), Size(1_000 * ONE))], [(Price(460_000), Size(1_000 * ONE))]
            exchange = self.world.simulators[name].exchange
            exchange.set_book(natives[0], bids, asks, self.world.clock.now_ms())
        self.world.pump()


@pytest.fixture
async def ops() -> AsyncIterator[Ops]:
    world, metrics = World(cast("VirtualLoop", asyncio.get_running_loop()), 1), Metrics()
    router = await world.start()
    made = Ops(world, router)
    made.books()
    listener = Listener(make_app(router, made.ring(), metrics), metrics)
    await listener.start("127.0.0.1", 0)
    made.port = listener.port
    try:
        yield made
    finally:
        await router.stop(1_000)
        await listener.stop()


async def test_a_halt_is_told_to_callers_listed_and_lifted_and_all_of_it_is_on_the_trail(ops: Ops) -> None:
    status, told = await ops.ask("POST", "/native/halts", {"scope": "all", "why": "odd fills"})
    assert status == 201
    assert told["recorded"] is True
    assert (told["cancels"], told["unread"]) == ([], [])
    halt = {"scope": "all", "name": "", "by": "key ops", "why": "odd fills", "file": False}
    assert told["halt"].items() >= halt.items()
    status, told = await ops.ask("POST", PLACE, ORDER, key=ops.trader)
    assert (status, told) == (
        503,
        {"error": "all halted by key ops: odd fills", "errorCode": "halted"},
    )
    status, told = await ops.ask("GET", "/native/halts")
    assert (status, [each.items() >= halt.items() for each in told["halts"]]) == (200, [True])
    status, told = await ops.ask("DELETE", "/native/halts?scope=all&why=understood")
    assert (status, told) == (200, {"scope": "all", "name": ""})
    ops.books()
    assert (await ops.ask("POST", PLACE, ORDER, key=ops.trader))[0] == 201
    changes = (await ops.world.store.trail()).changes
    assert [(c.by, c.what, c.why) for c in changes] == [
        ("key ops", "halted", "odd fills"),
        ("key ops", "resumed", "understood"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/native/halts", {"scope": "most"}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "venue"}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "all", "name": "x"}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "all", "when": "now"}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "all", "why": "x" * 501}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "market", "name": ":"}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "market", "name": ":x"}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "account", "name": "acct_1"}, (400, "parse_error")),
        ("POST", "/native/halts", {"scope": "venue", "name": "somewhere"}, (400, "parse_error")),
        ("POST", "/native/halts", [], (400, "parse_error")),
        ("DELETE", "/native/halts", None, (400, "parse_error")),
        ("DELETE", "/native/halts?scope=all", None, (404, "halt_not_found")),
        ("DELETE", "/native/halts?scope=venue&name=somewhere", None, (404, "halt_not_found")),
    ],
)
async def test_what_cannot_be_done_is_refused_and_changes_nothing(
    ops: Ops, method: str, path: str, body: object, expected: tuple[int, str]
) -> None:
    status, told = await ops.ask(method, path, body)
    assert (status, told["errorCode"]) == expected
    assert ops.router.switch.halts.standing == {}
    assert (await ops.world.store.trail()).changes == ()


async def test_who_halts_and_cancels_is_told_so_though_another_lifts_it_meanwhile(ops: Ops) -> None:
    switch, cancelling = ops.router.switch, asyncio.Event()
    usual = ops.router.cancel_all

    async def lifted_meanwhile(scope: Scope) -> Any:
        assert await switch.resume(scope, by="another", why="")
        cancelling.set()
        return await usual(scope)

    ops.router.cancel_all = lifted_meanwhile  # type: ignore[method-assign]  # the moment is chosen
    status, told = await ops.ask("POST", "/native/halts", {"scope": "all", "why": "x", "cancel": True})
    assert cancelling.is_set()
    assert (status, told["halt"]["why"]) == (201, "x")


async def test_what_the_file_halts_only_the_file_lifts(ops: Ops, tmp_path: Any) -> None:
    ops.router.switch._file = tmp_path / "halt"
    (tmp_path / "halt").write_text("all # gone fishing\n")
    ops.router.switch._look()
    status, told = await ops.ask("DELETE", "/native/halts?scope=all")
    assert (status, told["errorCode"]) == (409, "halted_by_file")
    status, told = await ops.ask("GET", "/native/halts")
    assert [(each["file"], each["why"]) for each in told["halts"]] == [(True, "gone fishing")]


async def test_a_halt_that_cannot_be_recorded_is_in_force_all_the_same(ops: Ops) -> None:
    ops.world.store.failing = "the disk is full"
    status, told = await ops.ask("POST", "/native/halts", {"scope": "account", "name": ACCOUNT})
    assert (status, told["recorded"]) == (201, False)
    assert (await ops.ask("DELETE", f"/native/halts?scope=account&name={ACCOUNT}"))[0] == 503
    ops.world.store.failing = None
    assert Scope("account", ACCOUNT) in ops.router.switch.halts.standing


# --- cancels ---


async def rest(world: World, venue_name: str, number: int) -> str | None:
    """Let an order rest at a venue, as if placed by hand; the venue's id, or None where none can rest."""
    venue, signer = world.venues[venue_name], world.account.signers[venue_name]
    native = world.natives[venue_name][0]
    listing = next(each for each in world.catalog.listings(venue_name) if each.native == native)
    order = Order(
        order_id=OrderId(f"10000000-0000-4000-8000-{number:012d}"),
        listing=listing,
        side=Side.BUY,
        limit=Price(300_000),
        size=Size(20 * ONE),
        cash=Cash(6 * ONE),
        time_in_force=TimeInForce.GTC,
        created_ms=world.clock.now_ms(),
        salt=number + 1,
    )
    talk = venue.orders.place(order, signer)
    answer = await world.network.perform(venue, talk, signer=signer, deadline_ms=5_000)
    return getattr(answer, "venue_order_id", None)


def test_a_halt_takes_everything_that_rests_off_the_books_and_says_so() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        resting = {}
        for number, name in enumerate(world.venues):
            for each in range(3):
                if (venue_order := await rest(world, name, 10 * number + each)) is not None:
                    resting[venue_order] = name
        assert len(set(resting.values())) == len(world.venues), "an order can rest everywhere"
        await world.clock.sleep(LISTED_MS)
        assert await router.halt(Scope(ALL), by="a test", why="")
        began_ms = world.clock.monotonic_ms()
        done = await router.cancel_all(Scope(ALL))
        assert world.clock.monotonic_ms() - began_ms <= CANCEL_MS_MAX + 100
        assert done.unread == ()
        assert {(each.order_id, each.venue, each.fate.value) for each in done.orders} == {
            (order, venue, "cancelled") for order, venue in resting.items()
        }
        await world.clock.sleep(10_000)
        assert (await router.cancel_all(Scope(ALL))).orders == ()
        await router.stop(1_000)

    run(loop, live())


def test_a_bug_at_one_venue_keeps_no_others_orders_from_being_cancelled_and_told() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        buggy, *others = sorted(world.venues)
        for number, name in enumerate(others):
            await rest(world, name, number)
        await world.clock.sleep(LISTED_MS)
        usual = world.network.perform

        async def perform(venue: Venue, talk: Any, **given: Any) -> Any:
            if venue.name == buggy:
                raise KeyError("bug")
            return await usual(venue, talk, **given)

        world.network.perform = perform  # type: ignore[method-assign]  # one venue's folder has a bug
        done = await router.cancel_all(Scope(ALL))
        assert [(each.venue, each.reason) for each in done.unread] == [(buggy, "internal error: KeyError")]
        assert {(each.venue, each.fate.value) for each in done.orders} == {(v, "cancelled") for v in others}
        await router.stop(1_000)

    run(loop, live())


@pytest.mark.parametrize("outcome", [YES, NO])
def test_only_what_is_named_is_cancelled_whichever_side_of_a_market_is_named(outcome: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        first, second, *_ = sorted(world.venues)
        for number, name in enumerate((first, second)):
            await rest(world, name, number)
        await world.clock.sleep(LISTED_MS)
        nobody = await router.cancel_all(Scope("account", AccountId("somebody")))
        other = await router.cancel_all(Scope("market", f"{first}:elsewhere"))
        assert (nobody.orders, other.orders) == ((), ())
        one = await router.cancel_all(Scope("venue", first))
        assert {each.venue for each in one.orders} == {first}
        rest_of_it = await router.cancel_all(Scope("market", outcome))
        assert {each.venue for each in rest_of_it.orders} == {second}
        await router.stop(1_000)

    run(loop, live())


@pytest.mark.parametrize("venue", [pytest.param(name, marks=pytest.mark.slow) for name in sorted(discover())])
def test_more_orders_than_a_page_lists_and_a_pace_allows_are_all_cancelled_and_no_later_one(
    venue: str,
) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1, balance="100000")
        router = await world.start()
        resting = set()
        for number in range(MANY):
            await world.clock.sleep(250)
            resting.add(await rest(world, venue, number))
        await world.clock.sleep(60_000)  # placing them used up what the slowest venue allows in a minute
        assert len(resting) == MANY
        began_ms = world.clock.monotonic_ms()
        first, again = await asyncio.gather(*(router.cancel_all(Scope("venue", venue)) for _ in range(2)))
        assert world.clock.monotonic_ms() - began_ms <= CANCEL_MS_MAX + 100
        for done in (first, again):
            assert done.unread == ()
            assert {each.order_id for each in done.orders} <= resting
            assert len(done.orders) >= LISTED_MIN
            assert {each.fate.value for each in done.orders} <= {"cancelled", "unknown"}
        while (later := await rest(world, venue, MANY)) is None:
            await world.clock.sleep(500)  # cancels leave no room for orders
        await world.clock.sleep(60_000)
        assert router._cancels._tries == {}
        left = await router.cancel_all(Scope("venue", venue))
        seen = {each.order_id for each in first.orders}
        assert {each.order_id for each in left.orders} == (resting - seen) | {later}
        await router.stop(1_000)

    run(loop, live())


def test_an_order_on_the_last_of_many_listings_is_found() -> None:
    """Most venues list all of an account's orders, whatever listings they are asked for."""
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        for number, name in enumerate(world.venues):
            await rest(world, name, number)
        await world.clock.sleep(LISTED_MS)
        usual = router._cancels._listings

        def many(venue: str) -> list[Listing]:
            own = list(usual(venue))
            others = [replace(own[0], native=Native(f"{own[0].native}{n}")) for n in range(LISTINGS_PER_CALL)]
            return [*others, *own]

        router._cancels._listings = many
        done = await router.cancel_all(Scope(ALL))
        found = {each.venue for each in done.orders if each.fate.value == "cancelled"}
        assert found | {each.venue for each in done.unread} == set(world.venues)
        assert len(found) > len(world.venues) // 2
        await router.stop(1_000)

    run(loop, live())


def test_what_was_not_taken_off_in_time_is_tried_on_and_then_given_up() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        dead = min(world.venues)
        await rest(world, dead, 0)
        await rest(world, dead, 1)
        await world.clock.sleep(LISTED_MS)
        tried: list[int] = []

        def misdeed(venue: str, request: Request) -> str:
            if venue != dead or request.purpose is not Purpose.ORDER:
                return ""
            tried.append(world.clock.monotonic_ms())
            return "refused"

        world.network.misdeed = misdeed
        began_ms = world.clock.monotonic_ms()
        done = await router.cancel_all(Scope(ALL))
        assert [each.fate.value for each in done.orders] == ["unknown", "unknown"]
        assert tried[-1] - began_ms <= CANCEL_MS_MAX
        await world.clock.sleep(ON_MS_MAX // 2)
        assert began_ms + CANCEL_MS_MAX < tried[-1]
        assert len(tried) < 40, "less and less often"
        await world.clock.sleep(ON_MS_MAX)
        last = tried[-1]
        await world.clock.sleep(ON_MS_MAX)
        assert (tried[-1], router._tasks.running) == (last, set())
        await router.stop(1_000)

    run(loop, live())


def test_orders_of_an_outcome_are_cancelled_when_its_opposite_is_halted() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        for number, name in enumerate(world.venues):
            await rest(world, name, number)
        await world.clock.sleep(LISTED_MS)
        done = await router.cancel_all(Scope("market", NO))
        assert {(each.venue, each.fate.value) for each in done.orders} == {
            (name, "cancelled") for name in world.venues
        }
        await router.stop(1_000)

    run(loop, live())


def test_a_venue_that_does_not_answer_takes_no_more_than_its_time_and_nobody_elses_cancels() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        dead, *others = sorted(world.venues)
        for number, name in enumerate(world.venues):
            await rest(world, name, number)
        await world.clock.sleep(LISTED_MS)

        def silent(venue: str, request: Request) -> str:
            return "refused" if venue == dead and request.purpose is Purpose.ORDER else ""

        world.network.misdeed = silent
        began_ms = world.clock.monotonic_ms()
        done = await router.cancel_all(Scope(ALL))
        assert world.clock.monotonic_ms() - began_ms <= CANCEL_MS_MAX + 100
        assert {each.venue: each.fate.value for each in done.orders} == dict.fromkeys(others, "cancelled") | {
            dead: "unknown"
        }
        await router.stop(1_000)

    run(loop, live())


async def test_whoever_asks_for_figures_again_and_again_has_them_made_once_in_a_while(
    ops: Ops, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []

    def counted(_: object) -> bytes:
        made.append(f"crossbook_asked {len(made)}\n".encode())
        return made[-1]

    monkeypatch.setattr(health, "generate_latest", counted)
    monkeypatch.setattr(health, "FIGURES_S_MAX", 3_600)
    told = await asyncio.gather(*(ops.figures() for _ in range(20)))
    assert told == [made[0]] * 20
    monkeypatch.setattr(health, "FIGURES_S_MAX", -1)
    assert await ops.figures() == made[1]
