"""`crossbook doctor`: can this configuration trade? One line a check, and what to do about each failure."""

import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape

from registry.index import Registry
from registry.model import Outcome
from registry.text import RegistryError
from router.assembly import certificate_of, data_signers, halt_file_of, hosts_of, open_accounts
from router.config import ConfigError, load
from router.core.halts import ALL
from router.core.model import AccountId
from router.http.tls import Certificate
from router.runtime import halt_file
from router.runtime.accounts import Account, CredentialError
from router.runtime.catalog import Catalog
from router.runtime.clock import SystemClock
from router.runtime.logs import Redactor
from router.runtime.metrics import Metrics
from router.runtime.registry_file import read_registry
from router.runtime.store.beside import unfinished_by_account
from router.runtime.store.protocol import StoreFault
from router.runtime.store.sqlite_file import FILE_NAME
from router.runtime.transport import Transport
from router.sections import Config
from venues import discover
from venues.base.contract import Venue
from venues.base.http import Unavailable
from venues.base.listing import ListingKey
from venues.base.units import plain

PROBLEMS_SHOWN_MAX = 20
"""Listings of one venue that are named; an old registry may have thousands that are over."""
CHECK_MS_MAX = 5_000
"""Longest wait for one answer of a venue."""
DAY_MS = 86_400_000
OFFSET_MS_MAX = 2_000
"""Signed requests of some venues are refused beyond a few seconds; whole-second clocks cost one already."""


class Finding(msgspec.Struct, frozen=True):
    """The result of one check."""

    what: str
    trouble: str | None
    """None when it is well."""
    detail: str = ""


async def examine(path: Path, redactor: Redactor) -> int:
    """Check settings, registry, clocks, listings and credentials. Exit code 1 if anything fails."""
    console, failed = Console(), 0
    async for finding in findings(path, redactor):
        mark = "[green]ok  [/green]" if finding.trouble is None else "[red]FAIL[/red]"
        said = escape(f"{finding.what}  {finding.trouble or finding.detail}")
        console.print(f"{mark} {said}", highlight=False)
        failed += finding.trouble is not None
    return 1 if failed else 0


async def findings(path: Path, redactor: Redactor) -> AsyncIterator[Finding]:
    """Every check, in the order in which a failure makes the later ones pointless."""
    venues = discover()
    try:
        config = load(path, venues)
        yield Finding(f"settings {path}", None, f"{len(config.accounts)} accounts, {len(config.keys)} keys")
        registry = read_registry(Path(config.registry.file), venues)
        yield Finding(f"registry {config.registry.file}", None, f"{len(registry)} outcomes")
        hosts = hosts_of(config, venues)
        accounts = open_accounts(config, venues, redactor)
        yield Finding("credentials", None, "all can be parsed")
    except (ConfigError, RegistryError, CredentialError) as error:
        yield Finding("registry" if isinstance(error, RegistryError) else "settings", str(error))
        return
    yield _directory(Path(config.store.directory))
    yield open_routes(Path(config.store.directory) / FILE_NAME, config.accounts)
    yield halts_of(halt_file_of(config))
    clock = SystemClock()
    if (certificate := certificate_of(config.server)) is not None:
        yield certificate_finding(certificate, clock.now_ms())
    transport = Transport(clock, Metrics(), hosts=hosts)
    await transport.start()
    try:
        used = _used(config, accounts)
        for name in used:
            yield await _clock(transport, clock, venues[name])
        catalog = Catalog(venues, transport, clock, refresh_ms=0, signers=data_signers(config, accounts))
        for name in used:
            catalog.watch(name, registry.natives(name))
        unread = await catalog.refresh()
        for name in used:
            for finding in listings_of(name, registry, catalog, unread.get(name)):
                yield finding
        for account in accounts.values():
            for name, signer in account.signers.items():
                talk = venues[name].orders.funds(signer)
                funds = await transport.perform(venues[name], talk, signer=signer, deadline_ms=CHECK_MS_MAX)
                what = f"{name} balance of {account.account_id}"
                if isinstance(funds, Unavailable):
                    yield Finding(what, f"{funds.reason}; check the account's keys")
                else:
                    cash = plain(sum(funds.values()))
                    yield Finding(what, None, f"{cash} {venues[name].collateral}")
    finally:
        await transport.close()


def _used(config: Config, accounts: Mapping[AccountId, Account]) -> list[str]:
    off = {name for name, settings in config.venues.items() if not settings.enabled}
    return sorted({venue for account in accounts.values() for venue in account.signers} - off)


def certificate_finding(certificate: Certificate, now_ms: int) -> Finding:
    """Whether callers will accept what the router shows them."""
    try:
        certificate.load()
    except ConfigError as error:
        return Finding("certificate", str(error))
    assert certificate.expires is not None, "it was loaded"
    days = (int(certificate.expires.timestamp()) * 1000 - now_ms) // DAY_MS
    if days < 0:
        return Finding("certificate", f"no longer valid since {certificate.expires:%Y-%m-%d}; renew it")
    return Finding("certificate", None, f"valid until {certificate.expires:%Y-%m-%d}, {days} days")


def _directory(path: Path) -> Finding:
    what = f"store {path}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding(what, f"cannot be written: {error.strerror}")
    return Finding(what, None, "writable")


def open_routes(path: Path, accounts: Collection[str]) -> Finding:
    """Routes without a last word; trouble are those of accounts that the settings do not have."""
    what = "open routes"
    try:
        found = unfinished_by_account(path)
    except sqlite3.Error as error:
        return Finding(what, f"the store cannot be read: {error}")
    except StoreFault as error:
        return Finding(what, str(error))
    gone = ", ".join(f"{count} of {name!r}" for name, count in found.items() if name not in accounts)
    if gone:
        return Finding(
            what,
            f"{gone}, which the settings do not have: nobody asks what became of their orders. "
            "Put the account back and halt it until they have ended (docs/durability.md)",
        )
    return Finding(what, None, f"{sum(found.values())} to be taken up at the next start")


def halts_of(path: Path) -> Finding:
    """What the halt file halts; trouble is that it halts all."""
    found = {str(scope): why or "no reason was given" for scope, why in halt_file.read(path).items()}
    if ALL in found:
        return Finding("halts", f"{path} halts all trading: {found[ALL]}; crossbook resume all lifts it")
    return Finding(
        "halts", None, "; ".join(f"{scope}: {why}" for scope, why in found.items()) or "none by file"
    )


def listings_of(name: str, registry: Registry, catalog: Catalog, unread: str | None) -> Iterator[Finding]:
    """The registry's listings of a venue as the venue has them: a line a problem, and how many have none.

    `unread` is why the venue could not be asked.
    """
    keys = [(key, outcome) for outcome in registry for key in outcome.listings if key.venue == name]
    if unread is not None:
        yield Finding(f"{name} listings", f"{unread}; is the address right and the venue up?")
        return
    wrong = [
        (f"{key} of {outcome.outcome_id}", why)
        for key, outcome in keys
        if (why := _wrong(key, outcome, catalog))
    ]
    for what, why in wrong[:PROBLEMS_SHOWN_MAX]:
        yield Finding(what, why)
    if len(wrong) > PROBLEMS_SHOWN_MAX:
        yield Finding(
            f"{name} listings", f"{len(wrong) - PROBLEMS_SHOWN_MAX} more that are unknown or closed"
        )
    yield Finding(f"{name} listings", None, f"{len(keys) - len(wrong)} of {len(keys)} can be traded")


def _wrong(key: ListingKey, outcome: Outcome, catalog: Catalog) -> str | None:
    """Why no order can go to this listing, or why its two books cannot be one."""
    terms = catalog.terms(key)
    if terms is None:
        return "the venue does not know it; is the id right, or the market long over?"
    if not terms.listing.tradable:
        return "the venue takes no orders for it; take it out of the registry if the market is over"
    for other in outcome.listings:
        mirrored = other.venue == key.venue and other.native == terms.listing.mirror
        twin = catalog.terms(other) if mirrored else None
        if twin is not None and twin.listing.grid != terms.listing.grid:
            return f"its prices have other ticks than those of {other}, which is said to be the same book"
    return None


async def _clock(transport: Transport, clock: SystemClock, venue: Venue) -> Finding:
    what = f"{venue.name} reachable, clock"
    before_ms = clock.now_ms()
    told = await transport.perform(venue, venue.orders.clock(), deadline_ms=CHECK_MS_MAX)
    if isinstance(told, Unavailable):
        return Finding(what, f"{told.reason}; is the address right and the venue up?")
    offset_ms = told - (before_ms + clock.now_ms()) // 2
    if abs(offset_ms) > OFFSET_MS_MAX:
        return Finding(what, f"differs by {offset_ms} ms; set this machine's clock (NTP)")
    return Finding(what, None, f"offset {offset_ms} ms")
