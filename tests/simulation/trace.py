"""What happened in a simulated day, in order: a digest to compare two runs by, and lines to read."""

from hashlib import blake2b

DIGEST_BYTES = 8


class Trace:
    """Everything that left the router or became durable. Equal digests mean equal runs."""

    def __init__(self, *, keep: bool = False) -> None:
        """`keep` also keeps the lines; a run of many days has no use for them."""
        self._hash = blake2b(digest_size=DIGEST_BYTES)
        self.lines: list[str] | None = [] if keep else None

    def note(self, at_ms: int, what: str, detail: bytes = b"") -> None:
        """One event. `detail` is hashed whole."""
        self._hash.update(b"%d %s %d " % (at_ms, what.encode(), len(detail)) + detail)
        if self.lines is not None:
            self.lines.append(f"{at_ms:>9,} ms  {what}  {detail.decode(errors='replace')}".rstrip())

    @property
    def digest(self) -> str:
        """Of everything so far."""
        return self._hash.hexdigest()
