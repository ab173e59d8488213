"""The kinds of markets and accounts this venue has, as wishes to its simulator: for tests over all venues."""

from collections.abc import Mapping

KINDS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "standard": {},
    "fees in money": {"market": {"fee": "collateral"}},
    "neg-risk": {"market": {"neg_risk": True}},
    "neg-risk, fees in money": {"market": {"neg_risk": True, "fee": "collateral"}},
    "a leg of a group": {"market": {"group": "who-wins"}},
    "another rate to sign": {"account": {"fee_rate_bps": 250}},
    "held orders": {"market": {"taker_delay_ms": 1_000}},
    "held orders, fees in money": {"market": {"taker_delay_ms": 500, "fee": "collateral"}},
    "amounts as text": {"knobs": {"text_amounts": True}},
    "a slow chain": {"knobs": {"mined_ms": 1_400, "confirmed_ms": 3_000}},
    "a chain that lags behind the venue": {"knobs": {"chain_lag": True}},
    "reads that lag": {"knobs": {"status_lag_ms": 700}},
    "rates of the limit": {"knobs": {"fee_price": "limit"}},
}
"""By name: keys of `list_market` and `open_account`, and knobs. Four rounds end within ten seconds."""
