"""What may stand in the settings file: one struct per table, with the default and the rule of each key."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from router.runtime import wording
from router.runtime.control_settings import AccountControls, CashConfig, ControlsConfig
from router.runtime.keys import USUAL_SCOPES, Scope

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Connections = Annotated[int, msgspec.Meta(ge=1, le=60_000)]
HostName = Annotated[str, msgspec.Meta(pattern=wording.HOST_NAME)]
Origin = Annotated[str, msgspec.Meta(pattern=wording.ORIGIN)]
HexDigest = Annotated[str, msgspec.Meta(pattern=wording.HEX_DIGEST)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=600_000)]


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the router listens, to whom, and under which names."""

    host: str = "127.0.0.1"
    port: Port = 8080
    tls_certificate: str | None = None
    """The chain in PEM, our own certificate first."""
    tls_key: str | None = None
    allow_plaintext: bool = False
    """Listen without TLS where others can reach us: a proxy on another machine does the TLS."""
    allowed_hosts: list[HostName] = []
    """Names we are called by, beside localhost, addresses and `host`."""
    allowed_origins: list[Origin] = []
    """Pages from elsewhere that may call."""
    connections_max: Connections = 512
    connections_per_address_max: Connections = 128
    """Behind a proxy all clients have its address: then as many as `connections_max`."""


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where intents and results are kept."""

    directory: str = "crossbook-data"
    standby: bool = False
    """While another process owns the store, wait and take over when it dies or its lease has run out."""
    lease_ms: Annotated[int, msgspec.Meta(ge=200, le=600_000)] = 5_000
    """An owner that could not write to the store for so long sends nothing, and a standby takes over."""


class RegistryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which listings are the same outcome."""

    file: str


class RoutingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of every route."""

    answer_ms: Milliseconds = 10_000
    """A caller is answered after this time at the latest; orders still unknown are reported open."""
    duplicate_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] = 2_000
    """An order without a key that equals one under way and younger than this is refused; 0: never."""
    book_silent_ms: Milliseconds = 5_000
    """A connection without frame, ping or pong for this long makes its books unusable."""
    balance_age_ms: Milliseconds = 2_000
    """Balances read longer ago than this are read again before an order is planned."""
    reconcile_ms: Annotated[int, msgspec.Meta(ge=1_000, le=86_400_000)] = 60_000
    """How often accounts with orders of the last hour are compared with what their venues list."""
    cancel_strays: bool = False
    """Resting orders that no route knows, or that had their last word, are cancelled; else they are told."""
    unknown_max: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 3
    """Orders in doubt of one account at one venue: with more of them no further one leaves."""
    listings_refresh_ms: Annotated[int, msgspec.Meta(ge=1_000, le=86_400_000)] = 60_000
    """How often fees, ticks and status of listings are read again."""


class VenueConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed about a venue."""

    enabled: bool = True
    hosts: dict[str, str] = {}
    """Base URLs that replace the venue's own, e.g. those of a simulator or a demo environment."""
    tier: str | None = None
    """The venue's word for how many calls it allows, where it has tiers; the lowest if it is not given."""
    data_account: str | None = None
    """The account whose keys open the market-data connection, where the venue demands keys for it."""
    controls: CashConfig = CashConfig()
    """How much money of each account."""


class SecretSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret kept elsewhere: exactly one of the two is given."""

    env: str | None = None
    file: str | None = None


class AccountConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One customer account: the venues it uses and its keys there."""

    venues: list[str]
    credentials: dict[str, dict[str, str | SecretSource]] = {}
    controls: AccountControls = AccountControls()

    def __repr__(self) -> str:
        """No secret: this may end in a traceback."""
        return f"AccountConfig(venues={self.venues!r}, credentials=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """The same for rich, which shows the locals of a traceback."""
        return [("venues", self.venues)]


class VaultConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The credentials kept in the database, of accounts whose venue has none in the settings."""

    master: str
    """Where the master key is: see `router/runtime/vault/master.py`."""


class KeyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One API key, as the SHA-256 of its text, and what it may be used for."""

    sha256: HexDigest
    accounts: list[str]
    """The accounts it owns."""
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1)] = USUAL_SCOPES
    """What it may do."""
    expires: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """From this time on it is worth nothing."""
    addresses: tuple[str, ...] = ()
    """Addresses and networks (CIDR) of its callers; empty: any."""


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    registry: RegistryConfig
    accounts: dict[str, AccountConfig]
    keys: dict[str, KeyConfig]
    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    routing: RoutingConfig = RoutingConfig()
    controls: ControlsConfig = ControlsConfig()
    venues: dict[str, VenueConfig] = {}
    vault: VaultConfig | None = None
    log: LogConfig = LogConfig()
