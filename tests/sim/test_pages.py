"""Lists in pages: every item once, in order, whatever the size of the pages."""

import pytest

from venues.sim.pages import page

ITEMS = [f"item-{number}" for number in range(7)]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_pages_together_are_the_list(size: int) -> None:
    found: list[str] = []
    query, pages = {"first": str(size)}, 0
    while True:
        rows, cursor = page(query, ITEMS, str, usual=100, most=100)
        found, pages = found + rows, pages + 1
        if cursor is None:
            break
        query["after"] = cursor
    assert found == ITEMS
    assert pages == -(-len(ITEMS) // size)


def test_a_page_has_its_usual_and_its_largest_size() -> None:
    assert len(page({}, ITEMS, str, usual=2, most=5)[0]) == 2
    assert len(page({"first": "6"}, ITEMS, str, usual=2, most=5)[0]) == 5
    assert page({}, [], str, usual=2, most=5) == ([], None)
    assert page({"after": ""}, ITEMS, str, usual=7, most=7) == (ITEMS, None)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"first": "0"}, "first"),
        ({"first": "-1"}, "first"),
        ({"first": "x"}, "first"),
        ({"after": "x"}, "after"),
    ],
)
def test_a_wrong_parameter_is_named(query: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        page(query, ITEMS, str, usual=2, most=5)
