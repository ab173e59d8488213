"""Every metric of the program, declared once. One `Metrics` is made at start and passed around."""

from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from router.core.invariants import Alarm, Invariant

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a loopback venue to the longest deadline."""
COMMIT_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0)
"""From a fast disk to one that is failing."""
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Counts:
    """A counter with labels whose children are kept: to find one by its labels costs more than to count."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._children: dict[tuple[str, ...], Counter] = {}

    def of(self, *labels: str) -> Counter:
        """The counter with these values of its labels."""
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._counter.labels(*labels)
        return child


class Metrics:
    """The metrics, each in the registry given (a new one by default, so that tests do not share counts)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._transport(self.registry)
        self._gates(self.registry)
        self._feeds(self.registry)
        self._store(self.registry)
        self._orders(self.registry)
        self._promises(self.registry)
        self._http(self.registry)
        self._process(self.registry)

    def _transport(self, registry: CollectorRegistry) -> None:
        labels = ("venue", "purpose", "outcome")
        self.requests = Counter(
            "crossbook_transport_requests",
            "HTTP requests to venues; outcome is the status class or what failed",
            labels,
            registry=registry,
        )
        self.request_seconds = Histogram(
            "crossbook_transport_request_seconds",
            "Time from asking for a request until its reply or its failure, waiting included",
            labels,
            buckets=LATENCY_S,
            registry=registry,
        )
        self.paced = Counter(
            "crossbook_transport_paced",
            "Calls that waited because the venue allows no more of them at a time",
            ("venue", "purpose"),
            registry=registry,
        )
        self.repeats = Counter(
            "crossbook_transport_repeats",
            "Reads sent a second time, by why",
            ("venue", "reason"),
            registry=registry,
        )
        self.in_flight = Gauge(
            "crossbook_transport_in_flight",
            "HTTP requests being sent or awaited",
            ("venue", "purpose"),
            registry=registry,
        )

    def _gates(self, registry: CollectorRegistry) -> None:
        labels = ("venue", "purpose")
        self.breaker_state = Gauge(
            "crossbook_breaker_state", "0 closed, 1 half open, 2 open", labels, registry=registry
        )
        self.breaker_openings = Counter(
            "crossbook_breaker_openings", "How often a breaker opened", labels, registry=registry
        )
        self.venue_gate_closed = Gauge(
            "crossbook_venue_gate_closed",
            "For how many accounts the venue takes no orders from us now, by why",
            ("venue", "reason"),
            registry=registry,
        )
        self.clock_offset = Gauge(
            "crossbook_clock_offset_seconds",
            "How far the venue's clock is ahead of this machine's",
            ("venue",),
            registry=registry,
        )

    def _feeds(self, registry: CollectorRegistry) -> None:
        venue = ("venue",)
        self.frames = Counter(
            "crossbook_feed_frames", "Market-data frames received", venue, registry=registry
        )
        self.gaps = Counter("crossbook_feed_gaps", "Books lost to a gap", venue, registry=registry)
        self.resyncs = Counter(
            "crossbook_feed_resyncs", "Fresh snapshots asked for", venue, registry=registry
        )
        self.reconnects = Counter(
            "crossbook_feed_reconnects",
            "Market-data connections that ended, by why",
            ("venue", "reason"),
            registry=registry,
        )
        self.streams = Gauge(
            "crossbook_streams", "Accounts' own streams that are up", venue, registry=registry
        )
        self.stream_reconnects = Counter(
            "crossbook_stream_reconnects",
            "Accounts' own streams that ended, by why",
            ("venue", "reason"),
            registry=registry,
        )
        self.news = Counts(
            Counter(
                "crossbook_stream_news",
                "What the accounts' own streams said about orders",
                venue,
                registry=registry,
            )
        )
        self.connections = Gauge(
            "crossbook_feed_connections", "Market-data connections that are up", venue, registry=registry
        )
        self.book_age = Gauge(
            "crossbook_book_age_seconds",
            "Time since anything was heard on the venue's quietest connection that is up",
            venue,
            registry=registry,
        )
        self.watched = Gauge("crossbook_books_watched", "Books subscribed to", venue, registry=registry)

    def _store(self, registry: CollectorRegistry) -> None:
        self.commits = Counter("crossbook_store_commits", "Transactions made durable", registry=registry)
        self.commit_failures = Counter(
            "crossbook_store_failures", "Transactions that failed", registry=registry
        )
        self.commit_seconds = Histogram(
            "crossbook_store_commit_seconds",
            "Time of one transaction",
            buckets=COMMIT_S,
            registry=registry,
        )
        self.batch_size = Histogram(
            "crossbook_store_batch_records", "Records in one transaction", buckets=BATCH, registry=registry
        )
        self.store_up = Gauge("crossbook_store_up", "1 while records can be made durable", registry=registry)
        self.store_owned = Gauge(
            "crossbook_store_owned",
            "1 while this process owns the store; 0 while it stands by, and for good once it was taken over",
            registry=registry,
        )
        self.store_epoch = Gauge(
            "crossbook_store_epoch", "The epoch in which this process owns the store", registry=registry
        )
        self.changes_up = Gauge(
            "crossbook_changes_up",
            "1 while changes of keys (api_keys, vault) are read from the database",
            ("topic",),
            registry=registry,
        )

    def _orders(self, registry: CollectorRegistry) -> None:
        self.lanes_waiting = Gauge(
            "crossbook_lanes_waiting", "Routes waiting for their account's turn", registry=registry
        )
        self.orders = Counts(
            Counter(
                "crossbook_orders",
                "Answers of venues to orders",
                ("venue", "answer"),
                registry=registry,
            )
        )
        self.routes = Counts(
            Counter("crossbook_routes", "Routes answered, by status", ("status",), registry=registry)
        )
        self.orphans = Gauge(
            "crossbook_orphaned_routes",
            "Routes without a last word whose account the settings do not have, at the start",
            ("account",),
            registry=registry,
        )
        self.strays = Gauge(
            "crossbook_stray_orders",
            "Resting orders at the venue that no route knows, when it was compared last",
            ("account", "venue"),
            registry=registry,
        )
        self.route_seconds = Histogram(
            "crossbook_route_seconds",
            "Time from accepting a route until its report",
            buckets=LATENCY_S,
            registry=registry,
        )
        self.controls = Counts(
            Counter(
                "crossbook_controls_refused",
                "Orders that a control forbade, by its rule: before the intent, or at send",
                ("rule", "when"),
                registry=registry,
            )
        )

    def _promises(self, registry: CollectorRegistry) -> None:
        self.halts = Gauge("crossbook_halts", "Halts that stand now", registry=registry)
        self.violations = Counter(
            "crossbook_invariant_violations",
            "Promises found broken while running: any count is an alarm",
            ("invariant",),
            registry=registry,
        )
        for invariant in (*Invariant, *Alarm):  # shown from the start, so that one can be alerted on
            self.violations.labels(invariant.value)
        self.accounts_closed = Gauge(
            "crossbook_accounts_closed",
            "Accounts that take no orders until an operator has looked",
            registry=registry,
        )

    def _http(self, registry: CollectorRegistry) -> None:
        self.refusals = Counts(
            Counter(
                "crossbook_http_refusals",
                "Requests answered with an error, by its code",
                ("code",),
                registry=registry,
            )
        )
        self.connections_reaped = Counter(
            "crossbook_http_connections_reaped",
            "Client connections closed because a head did not come, or an answer was not taken, in time",
            registry=registry,
        )
        self.connections_open = Gauge(
            "crossbook_http_connections", "Client connections that are open", registry=registry
        )
        self.connections_refused = Counts(
            Counter(
                "crossbook_http_connections_refused",
                "Client connections closed unserved: limit of one address or of all reached, gave way to a "
                "newcomer, or no TLS handshake",
                ("reason",),
                registry=registry,
            )
        )
        self.certificate_expires = Gauge(
            "crossbook_tls_certificate_expires_seconds",
            "Unix time at which the certificate we show is no longer valid; 0 without TLS",
            registry=registry,
        )

    def _process(self, registry: CollectorRegistry) -> None:
        Info("crossbook_build", "Which version of the router runs", registry=registry).info(
            {"version": build_version()}
        )
        self.log_lines_dropped = Counter(
            "crossbook_log_lines_dropped",
            "Log lines given up because nobody read them in time",
            registry=registry,
        )


def build_version() -> str:
    """Of the distribution that runs."""
    try:
        return version("crossbook")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "unknown"
