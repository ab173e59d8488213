"""The kinds of markets and accounts this venue has, as wishes to its simulator: for tests over all venues."""

from collections.abc import Mapping


def _kind(market: Mapping[str, object] | None = None, **knobs: int) -> Mapping[str, Mapping[str, object]]:
    return {"market": market or {}, "knobs": knobs}


KINDS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "standard": _kind(),
    "free of fees": _kind({"fee_bps": 0}),
    "fees switched off": _kind({"fee_enabled": False}),
    "double fee": _kind({"fee_bps": 800}),
    "fine ticks": _kind({"tick": "0.0001"}),
    "child of a categorical market": _kind({"parent_id": 412}),
    "amounts that include the fee": _kind(amount_with_fee=1),
    "fees in base units": _kind(fee_in_wei=1),
    "slow chain": _kind(confirm_ms=3_000),
    "chain within a tick": _kind(confirm_ms=0),
    "cancelled before the chain decides": _kind(cancel_at_once=1, confirm_ms=3_000),
}
"""By name: keys of `list_market`, and knobs."""
