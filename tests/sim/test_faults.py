"""Fault rules: when they apply, that a seed decides, and what a wrong one is told."""

import random
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.sim.faults import PLAINLY, RULES_MAX, Faults, Treatment, read_rules


def made(*rules: Mapping[str, object], seed: int = 1, now_ms: int = 0) -> Faults:
    faults = Faults(lambda number: random.Random(f"{seed}/{number}"))
    faults.replace(read_rules(msgspec.json.encode(list(rules))), now_ms)
    return faults


def hits(faults: Faults, calls: int, call: str = "POST /x", now_ms: int = 0) -> list[int]:
    return [n for n in range(calls) if faults.treat(call, now_ms) is not PLAINLY]


def test_no_rules_no_faults() -> None:
    assert hits(made(), 10) == []


@pytest.mark.parametrize(
    ("pattern", "call", "applies"),
    [
        ("POST", "POST /v1/orders", True),
        ("POST /v1/orders", "POST /v1/orders/7", True),
        ("POST /v1/orders$", "POST /v1/orders/7", False),
        ("(POST|DELETE) .*orders", "DELETE /v1/orders", True),
        ("orders", "POST /v1/orders", False),
        ("ws", "ws /v1/stream", True),
        ("ws", "GET /ws", False),
        ("ws", "say /ws", False),
    ],
)
def test_a_pattern_matches_from_the_start_of_the_call(pattern: str, call: str, applies: bool) -> None:
    faults = made({"fault": "lost", "call": pattern})
    assert bool(hits(faults, 1, call)) == applies


def test_times_and_skip_count_matching_calls_only() -> None:
    faults = made({"fault": "lost", "call": "POST", "times": 2, "skip": 1})
    assert hits(faults, 3, "GET /x") == []
    assert hits(faults, 5) == [1, 2]
    assert [(rule["seen"], rule["applied"]) for rule in faults.shown()] == [(3, 2)]


def test_a_rule_ends_when_its_time_is_over() -> None:
    faults = made({"fault": "lost", "call": "POST", "for_ms": 100}, now_ms=1_000)
    assert hits(faults, 1, now_ms=1_099) == [0]
    assert hits(faults, 1, now_ms=1_100) == []


def test_the_first_willing_rule_wins() -> None:
    faults = made({"fault": "refused", "call": "POST", "times": 1}, {"fault": "error5xx", "call": "POST"})
    assert [faults.treat("POST /x", 0).status for _ in range(3)] == [429, 503, 503]


def test_a_seed_gives_the_same_faults_again_and_setting_the_rules_starts_anew() -> None:
    rule = {"fault": "lost", "call": "POST", "probability": "0.3"}
    faults = made(rule)
    first = hits(faults, 200)
    assert hits(made(rule), 200) == first
    assert hits(made(rule, seed=2), 200) != first
    assert hits(faults, 200) != first
    faults.replace(read_rules(msgspec.json.encode(rule)), 0)
    assert hits(faults, 200) == first
    assert 40 < len(first) < 80, "about three in ten"


def test_one_rules_dice_do_not_depend_on_another_rules_calls() -> None:
    rules = [{"fault": "lost", "call": call, "probability": "0.5"} for call in ("POST", "GET")]
    alone, mixed = made(*rules), made(*rules)
    seen = []
    for n in range(100):
        hits(mixed, n % 3, "GET /x")
        seen += [n] * len(hits(mixed, 1))
    assert seen == hits(alone, 100)


@pytest.mark.parametrize(
    ("rule", "treatment"),
    [
        ({"fault": "late", "delay_ms": 5}, Treatment(hold_ms=5)),
        ({"fault": "late", "when": "before"}, Treatment(wait_ms=1_000)),
        ({"fault": "reordered"}, Treatment(overtaken_ms=1_000)),
        ({"fault": "doubled"}, Treatment(processed=2)),
    ],
)
def test_delays_say_on_which_side_of_the_venue_they_fall(
    rule: dict[str, object], treatment: Treatment
) -> None:
    assert made(rule | {"call": "POST"}).treat("POST /x", 0) == treatment


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).filter(lambda value: isinstance(value, list | dict)),
    st.integers(),
)
def test_a_garbled_object_or_list_can_never_be_read(value: object, seed: int) -> None:
    garbled = made(seed=seed).garble(b" " + msgspec.json.encode(value) + b"\n")
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(garbled)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ('{"fault":"lat","call":"POST"}', "lat"),
        ('{"fault":"late"}', "call"),
        ('{"call":"POST"}', "fault"),
        ('{"fault":"late","call":"POST","wen":"after"}', "wen"),
        ('{"fault":"late","call":"("}', "call: not a regular expression"),
        ('{"fault":"late","call":""}', "call"),
        ('{"fault":"late","call":"x","delay_ms":-1}', "delay_ms"),
        ('{"fault":"late","call":"x","delay_ms":600001}', "delay_ms"),
        ('{"fault":"late","call":"x","delay_ms":1.5}', "delay_ms"),
        ('{"fault":"late","call":"x","times":0}', "times"),
        ('{"fault":"late","call":"x","skip":-1}', "skip"),
        ('{"fault":"late","call":"x","for_ms":0}', "for_ms"),
        ('{"fault":"late","call":"x","probability":0.5}', "probability"),
        ('{"fault":"late","call":"x","probability":"0"}', "probability: above 0"),
        ('{"fault":"late","call":"x","probability":"1.1"}', "probability: above 0"),
        ('{"fault":"late","call":"x","probability":"half"}', "probability"),
        ('{"fault":"refused","call":"x","status":503}', "status: 'refused' takes 400 to 499"),
        ('{"fault":"error5xx","call":"x","status":404}', "status: 'error5xx' takes 500 to 599"),
        ('{"fault":"garbled","call":"x","delay_ms":1}', "delay_ms: not an option of the fault 'garbled'"),
        ('{"fault":"doubled","call":"x","when":"after"}', "when: not an option"),
        ('{"fault":"lost","call":"x","body":"b"}', "body: not an option"),
        ("null", "null"),
        ("0", "int"),
        ("nonsense", "JSON"),
        ("", "truncated"),
    ],
)
def test_a_wrong_rule_is_told_its_field(wish: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_rules(wish.encode())


def test_rules_are_limited() -> None:
    rule = {"fault": "late", "call": "x"}
    assert len(read_rules(msgspec.json.encode([rule] * RULES_MAX))) == RULES_MAX
    with pytest.raises(ValueError, match="at most 100 rules, was 101"):
        read_rules(msgspec.json.encode([rule] * (RULES_MAX + 1)))


@pytest.mark.parametrize("nothing", ["{}", "[]"])
def test_an_empty_object_or_list_clears(nothing: str) -> None:
    assert read_rules(nothing.encode()) == []
