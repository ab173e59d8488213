"""The kinds of markets and accounts this venue has, as wishes to its simulator: for tests over all venues."""

from collections.abc import Mapping

KINDS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "standard": {},
    "deposit wallet": {"account": {"signature_type": 3}},
    "proxy wallet, neg-risk": {"account": {"signature_type": 1}, "market": {"neg_risk": True}},
    "Safe, protocol v2": {"account": {"signature_type": 2}, "market": {"protocol_v2": True}},
    "deposit wallet, protocol v2": {"account": {"signature_type": 3}, "market": {"protocol_v2": True}},
    "free of fees": {"market": {"fee_rate": "0"}},
    "highest fee": {"market": {"fee_rate": "0.072"}},
    "exponent 2": {"market": {"fee_rate": "0.25", "fee_exponent": 2}},
    "tick 0.1": {"market": {"tick": "0.1"}},
    "tick 0.005": {"market": {"tick": "0.005"}},
    "tick 0.0025": {"market": {"tick": "0.0025"}},
    "tick 0.001": {"market": {"tick": "0.001"}},
    "tick 0.0001": {"market": {"tick": "0.0001"}},
    "one maker a trade": {"knobs": {"makers_per_trade": 1}},
    "two makers a trade, closed orders hidden": {"knobs": {"makers_per_trade": 2, "hide_closed": 1}},
    "delayed matching": {"market": {"taker_delay_ms": 1_000}},
    "every trade tried twice": {"knobs": {"retry_trades": 10**9}},
}
"""By name: keys of `list_market` and `open_account`, and knobs."""
