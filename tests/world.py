"""The whole router in memory: all simulated venues, a store that survives, a network that misbehaves.

Only the socket, the disk and the wall clock are replaced; everything between them is the product's own.
"""

import asyncio
import copy
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from msgspec.structs import replace

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from router.core.book import Books, Pulse
from router.core.ledger import Ledger
from router.core.model import AccountId, MarketOrder
from router.core.report import Report
from router.runtime.accounts import Account, open_account
from router.runtime.balances import Balances
from router.runtime.breakers import Breakers
from router.runtime.catalog import Catalog
from router.runtime.checks import Checks
from router.runtime.control_settings import LimitBook, overrides
from router.runtime.controls import Controls
from router.runtime.desks import Desks
from router.runtime.door import Guard
from router.runtime.gates import Gates
from router.runtime.hands import Tools
from router.runtime.ladders import Ladders
from router.runtime.metrics import Metrics
from router.runtime.paces import Paces
from router.runtime.store.protocol import Store
from router.runtime.switch import Switch
from router.runtime.times import VenueTimes
from router.runtime.venue_gates import Means, VenueGates
from router.runtime.watch import Watch
from router.service import Router
from tests.limits import WIDE
from tests.memory_store import MemoryStore
from tests.virtual_time import OwnClock, VirtualClock, VirtualLoop
from venues import discover
from venues.base.contract import Signer, Venue
from venues.base.events import Ask, Refused, Say
from venues.base.http import Purpose, Reply, Request, Response, Silence, Talk
from venues.base.listing import ListingKey, Native
from venues.base.orders import News, Side
from venues.base.units import Cash, Size, plain
from venues.sim.contract import Call, Simulator, Socket
from venues.sim.control import Tunable
from venues.sim.model import HOUSE

T = TypeVar("T")
ACCOUNT = AccountId("acct-1")
YES, NO = OutcomeId("px-yesyesyesyes"), OutcomeId("px-nononononono")

FRAME_MS = 8
"""How long a market-data frame takes: longer than the reply to the order that caused it."""
Kind = Mapping[str, Mapping[str, Any]]
"""Further wishes for a simulator: keys of its "market" and of its "account", and its "knobs"."""
Misdeed = Callable[[str, Request], str]
"""What goes wrong with a request to a venue: "", or one of the words of `Network.exchange`."""


class Network:
    """Requests go straight into the simulators. Implements `router.runtime.door.Door`."""

    def __init__(
        self, simulators: Mapping[str, Simulator], clock: VirtualClock, metrics: Metrics, own: OwnClock
    ) -> None:
        """`clock` is the venues', `own` the router's."""
        self.simulators, self.clock, self.own, self.metrics = simulators, clock, own, metrics
        self.paces = Paces(clock, metrics)
        self.restart()
        self.misdeed: Misdeed = lambda _venue, _request: ""
        self.before_order: Callable[[str], None] = lambda _venue: None
        """Called before a venue receives an order: the market may move."""
        self.after: Callable[[], object] = lambda: None
        """Called after every exchange: the venues' frames are on their way."""
        self.latency_ms = 5

    def restart(self) -> None:
        """A new process: what the old one knew of the venues is gone."""
        self.breakers, self.times = Breakers(self.own, self.metrics), VenueTimes(self.own)

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
        """See `Door`."""
        end_ms = self.clock.monotonic_ms() + deadline_ms
        reply: Reply | None = None
        while True:
            try:
                request = talk.send(reply) if reply is not None else next(talk)
            except StopIteration as stop:
                done: T = stop.value
                return done
            reply = self.breakers.refusal(venue.name, request.purpose, urgent=urgent)
            if reply is not None:
                continue
            if self.clock.monotonic_ms() >= end_ms:
                reply = Silence("deadline", sent=False)
            elif not await self.paces.wait(venue, request.purpose, signer, end_ms=end_ms, urgent=urgent):
                reply = Silence("paced", sent=False)
            elif request.purpose is Purpose.ORDER and guard is not None and (why := guard()):
                reply = Silence(why, sent=False)
            else:
                reply = await self.in_time(venue, request, signer, end_ms)
            self.breakers.saw(venue, request.purpose, reply)

    async def in_time(self, venue: Venue, request: Request, signer: Signer | None, end_ms: int) -> Reply:
        """The reply, if it comes before the caller's time is over."""
        try:
            async with asyncio.timeout((end_ms - self.clock.monotonic_ms()) / 1_000):
                return await self.exchange(venue, request, signer)
        except TimeoutError:
            return Silence("deadline", sent=True)

    async def exchange(self, venue: Venue, request: Request, signer: Signer | None) -> Reply:
        """One request and what comes back, or does not."""
        await self.clock.sleep(self.latency_ms)
        misdeed = self.misdeed(venue.name, request)
        if misdeed == "refused":
            return Silence("connect: refused", sent=False)
        if misdeed == "dead":
            await self.clock.sleep(600_000)
        if misdeed == "lost":
            await self.clock.sleep(1_000)
            return Silence("deadline", sent=True)
        if misdeed == "busy":
            return Response(503, b'{"error":"busy"}')
        reply = self.answer(venue, request, signer)
        if misdeed == "doubled":
            self.answer(venue, request, signer)
        self.after()
        if misdeed == "silent":
            return Silence("deadline", sent=True)
        if misdeed == "error_after":
            return Response(500, b"upstream connect error")
        if misdeed == "limited_after":
            return Response(429, b"<html>slow down</html>")
        if misdeed == "garbled":
            return Response(reply.status, reply.body[: len(reply.body) // 2] + b"\xff")
        return reply

    def answer(self, venue: Venue, request: Request, signer: Signer | None) -> Response:
        """The simulator's answer to a request that arrives at once."""
        if request.private:
            assert signer is not None
            request = signer.sign(request, self.times.now_ms(venue.name))
        return self.deliver(venue, request)

    def deliver(self, venue: Venue, request: Request) -> Response:
        """The simulator's answer to a request as it was signed."""
        if request.purpose is Purpose.ORDER:
            self.before_order(venue.name)
        simulator, now_ms = self.simulators[venue.name], self.clock.now_ms()
        simulator.tick(now_ms)
        base = simulator.hosts("", "").get(request.host, "")
        return dated(simulator.answer(call_of(replace(request, path=base + request.path)), now_ms), now_ms)


def dated(response: Response, now_ms: int) -> Response:
    """With the `Date` that the simulator's server puts into its head."""
    return replace(response, headers={"date": formatdate(now_ms // 1_000, usegmt=True), **response.headers})


def call_of(request: Request) -> Call:
    """A request as the simulator's server would receive it, which joins repeated names by commas."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    query: dict[str, str] = {}
    for name, value in request.query:
        query[name] = f"{query[name]},{value}" if name in query else value
    return Call(
        method=request.method,
        path=request.path,
        query=query,
        headers=headers,
        body=request.body,
    )


@dataclass
class Line:
    """One market-data connection without a socket: the venue's feed joined to its simulator."""

    venue: Venue
    simulator: Simulator
    books: Books
    signer: Signer
    clock: VirtualClock
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.clock.monotonic_ms())
        self.feed = self.venue.feed()
        handshake = self.feed.handshake()
        if handshake.private:
            handshake = self.signer.sign(handshake, self.clock.now_ms())
        socket = self.simulator.connect(call_of(handshake), self.clock.now_ms())
        assert not isinstance(socket, Response), socket
        self.socket: Socket = socket

    def subscribe(self, natives: Sequence[Native]) -> None:
        for native in natives:
            self.books.open(self.venue.name, native).attach(self.pulse)
        self._take(self.feed.subscribe(natives))

    def pump(self) -> None:
        """Deliver everything the venue has to say."""
        self.pulse.heard_ms = self.clock.monotonic_ms()
        self.simulator.tick(self.clock.now_ms())
        while self.socket.outbox:
            frames, self.socket.outbox[:] = list(self.socket.outbox), []
            for frame in frames:
                self._take(self.feed.receive(frame, self.clock.now_ms()))

    def _take(self, events: Sequence[object]) -> None:
        for event in events:
            match event:
                case Say(text):
                    self.socket.receive(text, self.clock.now_ms())
                case Ask(native, request):
                    reply = self.simulator.answer(call_of(request), self.clock.now_ms())
                    self._take(self.feed.fetched(native, reply, self.clock.now_ms()))
                case Refused():
                    raise AssertionError(event)
                case _:
                    book = self.books.open(self.venue.name, event.native)  # type: ignore[attr-defined]  # a book event
                    if book.apply(event, self.clock.monotonic_ms()):  # type: ignore[arg-type]  # all others are above
                        self._take(self.feed.resync(book.native, self.clock.now_ms()))


@dataclass
class Ear:
    """The account's own stream at one venue without a socket: what it says reaches the desks."""

    venue: Venue
    simulator: Simulator
    signer: Signer
    clock: VirtualClock
    desks: Desks
    world: "World"
    connected: bool = False

    async def connect(self, network: Network) -> None:
        assert self.venue.private is not None
        self.feed = self.venue.private(self.signer)
        talk = self.feed.prepare(self.clock.now_ms())
        while await network.perform(self.venue, talk, signer=self.signer, deadline_ms=5_000) is not None:
            await self.clock.sleep(1_000)
            talk = self.feed.prepare(self.clock.now_ms())
        handshake = self.feed.handshake()
        if handshake.private:
            handshake = self.signer.sign(handshake, self.clock.now_ms())
        socket = self.simulator.connect(call_of(handshake), self.clock.now_ms())
        assert not isinstance(socket, Response), socket
        self.socket: Socket = socket
        self.connected = True
        self.world.gates.stream(ACCOUNT, self.venue.name, up=True)
        self._take(self.feed.opening())
        for native in self.world.natives[self.venue.name]:
            self._take(self.feed.watch([native]))

    def watch(self, native: Native) -> None:
        if self.connected:
            self._take(self.feed.watch([native]))

    def pump(self) -> None:
        """Deliver everything the venue has to say."""
        if self.connected:
            self._take(self.feed.tick(self.clock.now_ms()))
        while self.connected and self.socket.outbox:
            frames, self.socket.outbox[:] = list(self.socket.outbox), []
            for frame in frames:
                for _ in range({"": 1, "lost": 0, "twice": 2}[self.world.mishear()]):
                    self._take(self.feed.receive(frame, self.clock.now_ms()))

    def _take(self, events: Sequence[object]) -> None:
        for event in events:
            match event:
                case Say(text):
                    self.socket.receive(text, self.clock.now_ms())
                case News():
                    self.desks.news(ACCOUNT, self.venue.name, event)
                case Refused(_, fatal=True):
                    self.connected = False
                    self.world.gates.stream(ACCOUNT, self.venue.name, up=False)
                    self.world.again(self)
                case _:
                    raise AssertionError(event)


class World:
    """One outcome pair on every venue, one account, and a router that can be killed and started again."""

    beat_ms = 1_000
    """How often the gates are looked at."""
    make_metrics: Callable[[], Metrics] = staticmethod(Metrics)

    def __init__(
        self,
        loop: VirtualLoop,
        seed: int,
        *,
        balance: str = "1000",
        shares: str = "0",
        kinds: Mapping[str, Kind] = MappingProxyType({}),
    ) -> None:
        """`kinds` says by venue what kind of market and account it is; standard ones by default."""
        self.clock = VirtualClock(loop)
        self.own = OwnClock(loop)
        """The router's; the venues go by `clock`."""
        self.metrics = self.make_metrics()
        self.luck = random.Random(seed)
        self.venues = discover()
        self.simulators = {name: venue.simulator(seed) for name, venue in self.venues.items()}
        self.natives: dict[str, list[Native]] = {}
        credentials: dict[str, Mapping[str, str]] = {}
        for name, simulator in self.simulators.items():
            kind = kinds.get(name, {})
            market = {"title": "A question", **kind.get("market", {})}
            self.natives[name] = [Native(n) for n in simulator.list_market(market)]
            held = {self.natives[name][0]: shares} if shares != "0" else {}
            wish = {"balance": balance, "positions": held, **kind.get("account", {})}
            credentials[name] = simulator.open_account(wish, self.clock.now_ms())
            if isinstance(simulator, Tunable):
                simulator.knobs |= kind.get("knobs", {})
        self.account: Account = _opened(credentials, self.venues)
        self.registry = Registry(self._outcomes())
        self.network = Network(self.simulators, self.clock, self.metrics, self.own)
        self.network.after = lambda: loop.call_later(FRAME_MS / 1000, self.pump)
        self.store = MemoryStore()
        self.lines: list[Line] = []
        self.ears: dict[str, Ear] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self.halt_file = Path("no-such-folder") / "halt"
        self.limits: LimitBook = WIDE
        """Of the routers that start from now on."""
        self.watch: Watch | None = None
        self.mishear: Callable[[], str] = lambda: ""
        """What goes wrong with a frame of an account's own stream: "", "lost" or "twice"."""

    def disk(self) -> Store:
        """What the next router writes to."""
        return self.store

    def _outcomes(self) -> list[Outcome]:
        sides: tuple[list[ListingKey], list[ListingKey]] = ([], [])
        for name, natives in self.natives.items():
            sides[0].append(ListingKey(name, natives[0], inverted=False))
            turned = ListingKey(name, natives[-1], inverted=len(natives) == 1)
            sides[1].append(turned)
        return [
            Outcome(outcome_id=outcome_id, title="A question", label=label, listings=tuple(keys))
            for outcome_id, label, keys in zip((YES, NO), ("Yes", "No"), sides, strict=True)
        ]

    async def start(
        self,
        *,
        answer_ms: int = 10_000,
        venues: Collection[str] | None = None,
        accounts: Collection[AccountId] = (ACCOUNT,),
        streaming: bool = True,
        duplicate_ms: int = 0,
        recovers: bool = True,
    ) -> Router:
        """A fresh router on the surviving store and venues. It trades these venues, all by default.

        Without `recovers` it is a standby in the moment it owns the store, and no further.
        """
        traded = {n: venue for n, venue in self.venues.items() if venues is None or n in venues}
        await self.rest()
        self.network.restart()
        books = Books({name: venue.limits for name, venue in traded.items()})
        signers = self.account.signers
        catalog = self.catalog = Catalog(traded, self.network, self.own, refresh_ms=60_000, signers=signers)
        for name in traded:
            catalog.watch(name, self.registry.natives(name))
        while await catalog.refresh():
            await self.clock.sleep(1_000)
        self.lines = [
            Line(venue, self.simulators[name], books, self.account.signers[name], self.clock)
            for name, venue in traded.items()
            if streaming
        ]
        for line in self.lines:
            line.subscribe(self.registry.natives(line.venue.name))
        desks = Desks(self.venues, self.metrics, self.own)
        gates = await self._watched(traded)
        await self._listen(traded, desks)
        ledger, switch = Ledger(), Switch(self.disk(), self.clock, self.metrics, file=self.halt_file)
        trail = await self.store.trail()
        switch.open(trail)
        self.switch = switch
        tools = Tools(
            controls=Controls(
                self.limits, self.disk(), ledger, switch=switch, clock=self.own, metrics=self.metrics
            ),
            venue_gates=gates,
            times=self.network.times,
            desks=desks,
            venues=self.venues,
            transport=self.network,
            store=self.disk(),
            ledger=ledger,
            balances=Balances(self.venues, self.network, self.own, age_ms=2_000),
            clock=self.own,
            metrics=self.metrics,
            checks=Checks(self.venues, ledger, self.metrics, gates=Gates(None, self.metrics)),
        )
        ladders = Ladders(traded, books, catalog, self.own, silent_ms=5_000)
        known = dict.fromkeys(accounts, self.account)
        tools.controls.overrides = overrides(trail)
        router = Router(tools, known, ladders, answer_ms=answer_ms, duplicate_ms=duplicate_ms)
        router.use(self.registry)
        self.pump()
        if recovers:
            await router.recover()
        return router

    async def rest(self) -> None:
        """The process that ran is gone, and with it what watched the venues beside the orders."""
        if self.watch is not None:
            await self.watch.stop()

    async def _watched(self, traded: Mapping[str, Venue]) -> VenueGates:
        """The gates, and what opens them again."""
        network = self.network
        means = Means(network.breakers, network.times, self.own, network.metrics)
        self.gates = VenueGates(self.venues, means)
        self.gates.on_shut = self.catalog.shut
        self.watch = Watch(
            *(traded, network, means),
            gates=self.gates,
            accounts=[self.account],
            followed=self.catalog.follows,
            beat_ms=self.beat_ms,
        )
        await self.watch.start()
        return self.gates

    async def _listen(self, traded: Mapping[str, Venue], desks: Desks) -> None:
        """Connect the account's own streams."""
        self.ears = {
            name: Ear(
                venue,
                self.simulators[name],
                self.account.signers[name],
                self.clock,
                desks,
                self,
            )
            for name, venue in traded.items()
            if venue.private is not None
        }
        for ear in self.ears.values():
            await ear.connect(self.network)
        desks.on_open = lambda _account, venue, native: (
            self.ears[venue].watch(native) if venue in self.ears else None
        )

    def again(self, ear: Ear) -> None:
        """Connect a stream that the venue refused."""
        task = asyncio.get_running_loop().create_task(ear.connect(self.network))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def pump(self) -> None:
        """Deliver what the venues have to say about their books and about the account's orders."""
        for ear in self.ears.values():
            ear.pump()
        for line in self.lines:
            line.pump()

    async def route(self, router: Router, asked: MarketOrder) -> Report:
        """One order as a caller sends it; RuntimeError's and refusals come through."""
        self.pump()
        return await router.route(self.account, asked, request_id="req")

    def cash(self, venue: str) -> Cash:
        """What the customers of a venue have, reserved or not."""
        accounts = self.simulators[venue].exchange.accounts.values()
        return Cash(sum(account.cash for account in accounts if account.name != HOUSE))

    def shares(self, venue: str) -> tuple[Size, Size]:
        """The customers' first and second outcome's shares."""
        held = [0, 0]
        for account in self.simulators[venue].exchange.accounts.values():
            if account.name != HOUSE:
                for (_, outcome), size in account.positions.items():
                    held[outcome] += size
        return Size(held[0]), Size(held[1])


_pristine: dict[tuple[str, ...], Signer] = {}
"""Signers as they were made, by venue and credentials. To parse an RSA key takes longer than a short day."""


def _opened(credentials: Mapping[str, Mapping[str, str]], venues: Mapping[str, Venue]) -> Account:
    """The account with signers of its own: they keep sessions, so no two worlds may share one."""
    signers: dict[str, Signer] = {}
    for name, secrets in credentials.items():
        key = (name, *secrets, *secrets.values())
        if key not in _pristine:
            made = open_account(ACCOUNT, {name: secrets}, venues).signers[name]
            try:
                _pristine[key] = copy.deepcopy(made)
            except TypeError:  # its key cannot be copied, and is parsed in no time
                signers[name] = made
                continue
        signers[name] = copy.deepcopy(_pristine[key])
    return Account(account_id=ACCOUNT, signers=signers)


def buy(amount: int, outcome: OutcomeId = YES) -> MarketOrder:
    """A buy for this many millionths of a dollar."""
    return MarketOrder(outcome=outcome, side=Side.BUY, amount=Cash(amount), requested=plain(amount))


def sell(size: int, outcome: OutcomeId = YES) -> MarketOrder:
    """A sale of this many millionths of a share."""
    return MarketOrder(outcome=outcome, side=Side.SELL, size=Size(size), requested=plain(size))
