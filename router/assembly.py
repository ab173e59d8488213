"""A running router, put together from its settings: what is made, in which order it starts and stops."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from registry.index import Registry
from router.config import ConfigError
from router.core.book import Books
from router.core.ledger import Ledger
from router.core.model import AccountId
from router.http.app import Listener, make_app
from router.http.door import Door
from router.http.tls import Certificate
from router.runtime.accounts import Account
from router.runtime.balances import Balances
from router.runtime.catalog import Catalog
from router.runtime.changes import Changes, KeyBook
from router.runtime.checks import Checks
from router.runtime.clock import Clock, SystemClock
from router.runtime.control_settings import (
    AccountControls,
    CashConfig,
    ControlsConfig,
    LimitBook,
    changed,
    limit_book,
    overrides,
    written,
)
from router.runtime.controls import Controls
from router.runtime.desks import Desks
from router.runtime.feeds import Feeds
from router.runtime.gates import Gates
from router.runtime.hands import Tools
from router.runtime.keys import KeyRing
from router.runtime.ladders import Ladders
from router.runtime.logs import Redactor
from router.runtime.metrics import Metrics
from router.runtime.reconcile import Reconciler
from router.runtime.registry_file import read_registry
from router.runtime.store.sqlite import SqliteStore
from router.runtime.streams import Shared, Streams
from router.runtime.switch import Switch
from router.runtime.tasks import steady
from router.runtime.transport import Transport
from router.runtime.vault.credentials import Credentials
from router.runtime.venue_gates import Means, VenueGates
from router.runtime.watch import Watch
from router.sections import Config, ServerConfig
from router.service import Router
from venues.base.contract import Signer, Venue
from venues.base.events import FeedEvent, Regrid

STOP_MS_MAX = 5_000
"""How long orders under way may take to end when the router is stopped."""

HALT_FILE = "halt"
"""In the store's directory, where the settings name no other."""
BASE_URL = re.compile(r"(https?|wss?)://[^\s/?#]+(/[^\s?#]*[^\s?#/])?")

log = structlog.get_logger(__name__)


class MarketData:
    """The half that needs no account: metadata and books of every listing in a registry."""

    def __init__(self, config: Config, venues: Mapping[str, Venue], signers: Mapping[str, Signer]) -> None:
        hosts = hosts_of(config, venues)
        silenced = {name for name, venue in config.venues.items() if not venue.enabled}
        self.venues = {name: venue for name, venue in venues.items() if name not in silenced}
        self.clock: Clock = SystemClock()
        self.metrics = Metrics()
        self.transport = Transport(self.clock, self.metrics, hosts=hosts)
        self.books = Books({name: venue.limits for name, venue in self.venues.items()})
        self._signers = dict(signers)
        refresh_ms, known = config.routing.listings_refresh_ms, self._signers
        self.catalog = Catalog(self.venues, self.transport, self.clock, refresh_ms=refresh_ms, signers=known)
        self.feeds = Feeds(
            self.venues, self.books, self.transport, self.clock, metrics=self.metrics, signers=known
        )
        self.feeds.on_event = self._heard
        self.ladders = Ladders(
            self.venues, self.books, self.catalog, self.clock, silent_ms=config.routing.book_silent_ms
        )
        self._refreshing: asyncio.Task[None] | None = None

    async def start(self, registry: Registry) -> None:
        """Begin to read the registry's listings and to stream their books."""
        await self.transport.start()
        self.follow(registry)
        self._refresh()

    def _refresh(self) -> None:
        work = steady("listings", self.catalog.run, clock=self.clock, metrics=self.metrics)
        self._refreshing = asyncio.create_task(work)

    def follow(self, registry: Registry) -> None:
        """From now on read and stream exactly this registry's listings."""
        for name in self.venues:
            self.catalog.watch(name, registry.natives(name))
            self.feeds.follow(name, registry.natives(name))
        if self._refreshing:  # what is new is read now, not at the next refresh
            self._refreshing.cancel()
            self._refresh()

    def renew(self, venue: str, before: Signer, after: Signer) -> None:
        """An account has newer keys: they open the venue's next connection, if the older ones did."""
        self.transport.renew(venue, before, after)
        if self._signers.get(venue) is before:
            self._signers[venue] = after

    async def stop(self) -> None:
        """Close every connection."""
        await self.feeds.stop()
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self.transport.close()

    def _heard(self, venue: str, event: FeedEvent) -> None:
        if isinstance(event, Regrid):
            self.catalog.regrid(venue, event)


class Instance:
    """A whole router."""

    def __init__(self, config: Config, venues: Mapping[str, Venue], redactor: Redactor) -> None:
        """Raises ConfigError or CredentialError; nothing is opened yet."""
        venues = tiered(config, venues)
        self.config, self.venues = config, venues
        self.credentials = Credentials(config, venues, redactor)
        self.accounts = self.credentials.open()
        self.credentials.on_renewed = self._renewed
        self.market = MarketData(config, venues, data_signers(config, self.accounts))
        self.store = SqliteStore(
            Path(config.store.directory),
            self.market.metrics,
            lease_ms=config.store.lease_ms,
            standby=config.store.standby,
        )
        self.lost = asyncio.Event()
        """Set when another process has taken the store over: this one may only end."""
        self.store.on_lost = self.lost.set
        self.market.transport.may_act = lambda: self.store.owned
        desks = Desks(venues, self.market.metrics, self.market.clock)
        self.gates = Gates(Path(config.store.directory), self.market.metrics)
        self.switch = Switch(self.store, self.market.clock, self.market.metrics, file=halt_file_of(config))
        self.venue_gates, self.watch = gates_of(self.market, config, venues, list(self.accounts.values()))
        self.streams = Streams(
            Shared(self.market.transport, self.market.clock, self.market.metrics, desks, self.venue_gates)
        )
        self.tools = self._tools(desks)
        self.router = Router(
            self.tools,
            self.accounts,
            self.market.ladders,
            answer_ms=config.routing.answer_ms,
            duplicate_ms=config.routing.duplicate_ms,
        )
        if config.controls.cancel_on_halt:
            self.switch.on_halt = self.router.cancel_soon
        self.reconciler = Reconciler(
            self.tools,
            self.accounts,
            self.router.late,
            listings=self.market.catalog.listings,
            every_ms=config.routing.reconcile_ms,
            cancel=config.routing.cancel_strays,
        )
        self.keys = KeyRing.from_config(config.keys, self.market.clock.now_ms)
        self.changes = self._changes()
        self.listener = self._listener()

    def _tools(self, desks: Desks) -> Tools:
        market, ledger = self.market, Ledger()
        return Tools(
            venues=self.venues,  # also those not traded now: orders sent there before are still looked up
            transport=market.transport,
            store=self.store,
            ledger=ledger,
            balances=Balances(
                self.venues, market.transport, market.clock, age_ms=self.config.routing.balance_age_ms
            ),
            desks=desks,
            controls=Controls(
                limits_of(self.config),
                self.store,
                ledger,
                switch=self.switch,
                clock=market.clock,
                metrics=market.metrics,
            ),
            clock=market.clock,
            metrics=market.metrics,
            checks=Checks(self.venues, ledger, market.metrics, gates=self.gates),
            venue_gates=self.venue_gates,
            times=market.transport.times,
        )

    def _changes(self) -> tuple[Changes, ...]:
        path, clock, metrics = self.store.path, self.market.clock, self.market.metrics
        return (
            Changes(path, clock, metrics, subject=KeyBook(self.keys), ring=self.keys),
            Changes(path, clock, metrics, subject=self.credentials),
        )

    def _renewed(self, place: tuple[AccountId, str], before: Signer, after: Signer) -> None:
        self.streams.renew(*place, after)
        self.market.renew(place[1], before, after)

    def _listener(self) -> Listener:
        door, metrics = Door.of(self.config.server), self.market.metrics
        app = make_app(self.router, self.keys, metrics, door=door)
        certificate = certificate_of(self.config.server)
        return Listener(app, metrics, limits=door.limits, certificate=certificate)

    async def start(self) -> None:
        """Take up unfinished routes, then listen. Raises what keeps it from starting.

        A standby reads books and listens first, so that whoever asks is told what it waits for.
        """
        registry = read_registry(Path(self.config.registry.file), self.venues)
        standby = self.config.store.standby
        if standby:
            for each in self.changes:
                await each.start(patient=True)
            await self._watch(registry)
            await self._listen()
        await self.store.open()
        self.gates.read()
        await self._open_switch()
        if not standby:
            for each in self.changes:
                await each.start()
            await self._watch(registry)
        await self.watch.start()
        self.streams.start(self.accounts.values(), self.market.venues.values())
        resumed = await self.router.recover()
        self.reconciler.start()
        if not standby:
            await self._listen()
        log.info("router.started", host=self.config.server.host, port=self.listener.port, resumed=resumed)

    async def _open_switch(self) -> None:
        """What was halted is halted; limits that are others than at the last start go onto the trail."""
        trail = await self.store.trail()
        self.switch.open(trail)
        self.switch.watch()
        controls = self.tools.controls
        controls.overrides = overrides(trail) | controls.overrides  # set since the trail was read
        limits = changed(trail, written(*controls_of(self.config)), self.market.clock.now_ms())
        if limits is not None:
            await self.store.note(limits)
            log.info("limits.changed", by=limits.by)

    async def _watch(self, registry: Registry) -> None:
        await self.market.start(registry)
        self.router.use(registry)

    async def _listen(self) -> None:
        await self.listener.start(self.config.server.host, self.config.server.port)
        log.info("router.listening", host=self.config.server.host, port=self.listener.port)

    async def stop(self) -> None:
        """Take no more orders, end those under way, close everything.

        A store that was lost leaves nothing to wait for: its new owner looks the orders up.
        """
        await self.router.stop(0 if self.lost.is_set() else STOP_MS_MAX)
        await self.listener.stop()
        await self.reconciler.stop()
        await self.watch.stop()
        await self.streams.stop()
        await self.market.stop()
        for each in self.changes:
            await each.stop()
        await self.switch.close()
        await self.store.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        host = self.config.server.host
        return f"{self.listener.scheme}://{f'[{host}]' if ':' in host else host}:{self.listener.port}"


def certificate_of(server: ServerConfig) -> Certificate | None:
    """What the router shows to its callers, if it speaks TLS."""
    if server.tls_certificate is None or server.tls_key is None:
        return None
    return Certificate(Path(server.tls_certificate), Path(server.tls_key))


def gates_of(
    market: MarketData, config: Config, venues: Mapping[str, Venue], accounts: list[Account]
) -> tuple[VenueGates, Watch]:
    """The order gates, and what watches the venues traded now to open them again."""
    transport = market.transport
    means = Means(transport.breakers, transport.times, market.clock, market.metrics)
    gates = VenueGates(venues, means, unknown_max=config.routing.unknown_max)
    gates.on_shut = market.catalog.shut
    followed = market.catalog.follows
    watch = Watch(market.venues, transport, means, gates=gates, accounts=accounts, followed=followed)
    return gates, watch


def tiered(config: Config, venues: Mapping[str, Venue]) -> dict[str, Venue]:
    """The venues, each at the pace of its tier in the settings. ConfigError names a tier it does not have."""
    found = dict(venues)
    for name, settings in config.venues.items():
        limits = venues[name].limits
        if settings.tier is None:
            continue
        if settings.tier not in limits.tiers:
            known = ", ".join(limits.tiers) or "none"
            raise ConfigError(f"venues.{name}.tier: no such tier: {settings.tier!r}; known are {known}")
        paced = msgspec.structs.replace(limits, paces=limits.tiers[settings.tier])
        found[name] = msgspec.structs.replace(venues[name], limits=paced)
    return found


def hosts_of(config: Config, venues: Mapping[str, Venue]) -> dict[str, dict[str, str]]:
    """The base URLs that replace the venues' own. ConfigError names one that would replace nothing.

    A misspelt host would leave the venue's own in force: real orders instead of simulated ones.
    """
    for name, settings in config.venues.items():
        for host, url in settings.hosts.items():
            at, known = f"venues.{name}.hosts.{host}", sorted(venues[name].hosts)
            if host not in known:
                raise ConfigError(f"{at}: no such host; known are {', '.join(known)}")
            if not BASE_URL.fullmatch(url):
                raise ConfigError(f"{at}: a base URL without a slash at its end, like http://127.0.0.1:9000")
    return {name: settings.hosts for name, settings in config.venues.items()}


def halt_file_of(config: Config) -> Path:
    """The file whose presence halts."""
    return Path(config.controls.halt_file or Path(config.store.directory) / HALT_FILE)


def limits_of(config: Config) -> LimitBook:
    """What every account may do."""
    return limit_book(*controls_of(config))


def controls_of(
    config: Config,
) -> tuple[ControlsConfig, dict[str, AccountControls], dict[str, CashConfig]]:
    """What the settings say of the controls: for all, by account, by venue."""
    accounts = {name: account.controls for name, account in config.accounts.items()}
    return config.controls, accounts, {name: venue.controls for name, venue in config.venues.items()}


def open_accounts(
    config: Config, venues: Mapping[str, Venue], redactor: Redactor
) -> dict[AccountId, Account]:
    """Every account of the settings with its keys parsed. Raises as `Credentials.open` does."""
    return Credentials(config, venues, redactor).open()


def data_signers(config: Config, accounts: Mapping[AccountId, Account]) -> dict[str, Signer]:
    """Whose keys open each venue's market-data connection: the account named for it, else the first."""
    found: dict[str, Signer] = {}
    for account in accounts.values():
        for venue, signer in account.signers.items():
            found.setdefault(venue, signer)
    for name, settings in config.venues.items():
        if settings.data_account is not None:
            named = accounts[AccountId(settings.data_account)]
            if name in named.signers:
                found[name] = named.signers[name]
    return found
