"""The kinds of markets and accounts this venue has, as wishes to its simulator: for tests over all venues."""

from collections.abc import Mapping

KINDS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "standard": {},
    "tenths of a cent": {"market": {"structure": "deci_cent"}},
    "tapered": {"market": {"structure": "tapered_deci_cent"}},
    "half cents, fine edges": {"market": {"structure": "center_half_edge_centi_cent"}},
    "fifths of a cent": {"market": {"structure": "center_quint_edge_deci_cent"}},
    "hundredths of a cent": {"market": {"structure": "center_centi_edge_centi_cent"}},
    "combos": {"market": {"structure": "center_deci_edge_centi_cent"}},
    "free of fees": {"market": {"fee_multiplier": "0"}},
    "half fees": {"market": {"fee_multiplier": "0.5", "structure": "deci_cent"}},
    "maker fees": {"market": {"fee_type": "quadratic_with_maker_fees"}},
    "another shard": {"market": {"exchange_index": 2}, "account": {"shards": {"2": "50000"}}},
    "subaccount": {"account": {"subaccount": 3}},
    "reads that lag": {"knobs": {"read_lag_ms": 300}},
}
"""By name: keys of `list_market` and `open_account`, and knobs."""
