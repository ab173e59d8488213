"""The kinds of markets and accounts this venue has, as wishes to its simulator: for tests over all venues."""

from collections.abc import Mapping

KINDS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "standard": {},
    "Predict account": {"account": {"predict_account": True}},
    "neg-risk": {"market": {"isNegRisk": True}},
    "yield-bearing, Predict account": {
        "market": {"isYieldBearing": True},
        "account": {"predict_account": True},
    },
    "yield-bearing, neg-risk": {"market": {"isNegRisk": True, "isYieldBearing": True}},
    "whole cents": {"market": {"decimalPrecision": 2}},
    "free of fees": {"market": {"feeRateBps": 0}},
    "highest fee": {"market": {"feeRateBps": 1_000}},
    "always misleading status": {"knobs": {"misleading_percent": 100}},
}
"""By name: keys of `list_market` and `open_account`, and knobs."""
