"""The kinds of markets and accounts this venue has, as wishes to its simulator: for tests over all venues."""

from collections.abc import Mapping

KINDS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "standard": {},
    "half cents": {"market": {"tick": "0.005"}},
    "tenths of a cent": {"market": {"tick": "0.001"}},
    "whole shares": {"market": {"minimum": "1"}},
    "whole shares, half cents": {"market": {"minimum": "1", "tick": "0.005"}},
    "last year's fee": {"market": {"fee_coefficient": "0.05"}},
    "the highest fee": {"market": {"fee_coefficient": "0.2", "minimum": "1"}},
    "free of fees": {"market": {"fee_coefficient": "0"}},
    "replies without the end": {"knobs": {"sync": "none"}},
    "replies with half of it": {"knobs": {"sync": "partial"}},
    "reads that lag": {"knobs": {"sync": "none", "read_lag_ms": 300}},
}
"""By name: keys of `list_market`, and knobs."""
