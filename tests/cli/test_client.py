"""What `crossbook order` says when no router answers: whether the order can have been placed."""

import pytest

from router.cli.client import Unreachable, place


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("127.0.0.1:8080", "begins with http:// or https://"),
        ("ftp://127.0.0.1", "begins with http:// or https://"),
        ("http://127.0.0.1:1", "Cannot connect to host 127.0.0.1:1"),
        ("https://127.0.0.1:1", "Cannot connect to host 127.0.0.1:1"),
    ],
)
async def test_an_order_that_cannot_have_left_is_told_so_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(Unreachable, match="nothing was sent") as refused:
        await place(url, "key", "a", {})
    assert reason in str(refused.value)
