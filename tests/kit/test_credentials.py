"""A wrong credential is named with the rule it breaks, and never repeated."""

import pytest

from venues.kit.credentials import named, number_of, printable

KIND = number_of({0: "own", 1: "proxy", 2: "Safe"})


def test_a_secret_is_parsed_and_a_missing_or_empty_one_has_its_default() -> None:
    for secrets, value in (({"kind": "2"}, 2), ({"kind": ""}, 1), ({}, 1)):
        assert named("kind", secrets, KIND, "1") == value
    assert named("key", {"key": "a b-c"}, printable) == "a b-c"


@pytest.mark.parametrize("value", ["", "3", "01", " 1", "one", "-1"])
def test_another_number_is_refused_with_the_name_and_all_that_are_known(value: str) -> None:
    with pytest.raises(ValueError, match=r"^kind: must be 0 \(own\), 1 \(proxy\) or 2 \(Safe\)$"):
        named("kind", {"kind": value}, KIND)


@pytest.mark.parametrize("value", ["", "secret\n", "gehe\u00efm", "\x00"])
def test_text_that_no_header_can_carry_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(ValueError, match=r"^key: must be printable ASCII and not empty$") as refused:
        named("key", {"key": value}, printable)
    assert refused.value.__cause__ is None
