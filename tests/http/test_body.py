"""JSON that is safe to read: nothing twice, nothing too deep, whatever is in its strings."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.http.body import DEPTH_MAX, NAME_MAX, Malformed, text_of

NAMES = st.sampled_from(["a", "b", '"', "\\", "{", "[", "]}", "\u00e9"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | NAMES
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=4).map(tuple),
)
"""A tuple is an object, as the pairs that are written."""


def written(tree: Any) -> str:
    """As JSON, keys as often as they come."""
    if isinstance(tree, tuple):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(value)}" for name, value in tree) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(written, tree)) + "]"
    return json.dumps(tree)


def depth(tree: Any) -> int:
    """Slow and obvious."""
    inner = (
        [value for _, value in tree] if isinstance(tree, tuple) else tree if isinstance(tree, list) else None
    )
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def repeats(tree: Any) -> bool:
    """Whether any object has a key twice."""
    if isinstance(tree, tuple):
        names = [name for name, _ in tree]
        return len(names) != len(set(names)) or any(repeats(value) for _, value in tree)
    return isinstance(tree, list) and any(map(repeats, tree))


@given(TREES)
def test_what_says_nothing_twice_and_is_not_deep_is_read_and_nothing_else(tree: Any) -> None:
    text = written(tree)
    if depth(tree) > DEPTH_MAX or repeats(tree):
        with pytest.raises(Malformed):
            text_of(text.encode())
    else:
        assert text_of(text.encode()) == text


@pytest.mark.parametrize("kind", ["[]", "{}"])
def test_the_depth_that_is_allowed_is_exact(kind: str) -> None:
    def nested(levels: int) -> bytes:
        opening = "[" if kind == "[]" else '{"a":'
        return (opening * (levels - 1) + kind + kind[1] * (levels - 1)).encode()

    text_of(nested(DEPTH_MAX))
    with pytest.raises(Malformed, match=r"^body: nested too deeply, at most 8 levels$"):
        text_of(nested(DEPTH_MAX + 1))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a":1,"a":1}', "a: given more than once"),
        (b'{"x":{"b":1,"c":2,"b":3}}', "b: given more than once"),
        (b'{"x":[{"":1,"":3}]}', ": given more than once"),
        (b'{"\\ud800":1,"\\ud800":1}', "\\ud800: given more than once"),
        (b'{"%b":1,"%b":1}' % (b"k" * 999, b"k" * 999), "k" * NAME_MAX + ": given more than once"),
        (b"\xff", "body: not UTF-8 (byte 0)"),
        (b'{"a":1', "body: JSON is malformed: "),
        (b'{"a":1}}', "body: JSON is malformed: "),
        (b"", "body: JSON is malformed: "),
        (b"[" * 60_000, "body: nested too deeply"),
        (b'"' * 60_001, "body: "),
        (b'["' + b"\\" * 60_000, "body: "),
    ],
)
def test_what_is_wrong_is_said(body: bytes, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        text_of(body)
    assert str(refused.value).startswith(message)
    str(refused.value).encode()


@pytest.mark.parametrize("before", ["", '"', "\\", '\\"', '"\\'])
def test_brackets_in_strings_do_not_count(before: str) -> None:
    body = json.dumps({before + "[{" * DEPTH_MAX: [before + "[{" * DEPTH_MAX, "]}" * DEPTH_MAX]}).encode()
    assert text_of(body) == body.decode()


def test_a_number_of_any_length_is_no_trouble() -> None:
    text_of(b'{"a":' + b"9" * 60_000 + b"}")
