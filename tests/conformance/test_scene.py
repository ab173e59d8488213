"""What the scripts lean on: a wrong word of a client is an error, and no connection leaves the machine."""

from decimal import Decimal

import pytest

from conformance.scene import _stay_here, plain, same


@pytest.mark.parametrize(
    "event",
    [
        ("socket.getaddrinfo", ("venue.example.test", 443, 0, 0, 0)),
        ("socket.getaddrinfo", (b"venue.example.test", 443, 0, 0, 0)),
        ("socket.connect", (None, ("203.0.113.5", 443))),
        ("socket.connect", (None, ("2001:db8::1", 443, 0, 0))),
    ],
)
def test_a_client_that_reaches_out_is_stopped_and_named(
    event: tuple[str, tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConnectionRefusedError):
        _stay_here(*event)
    assert capsys.readouterr().out.startswith('@conformance {"reached": ')


@pytest.mark.parametrize(
    "event",
    [
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0)),
        ("socket.getaddrinfo", (None, 80, 0, 0, 0)),
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("socket.connect", (None, ("::1", 80, 0, 0))),
        ("socket.connect", (None, "/run/a.socket")),
        ("open", ("venue.example.test",)),
    ],
)
def test_this_machine_may_be_reached(
    event: tuple[str, tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    _stay_here(*event)
    assert capsys.readouterr().out == ""


def test_what_a_client_says_is_compared_to_the_last_digit() -> None:
    same("cash", "1.10", Decimal("1.1"))
    same("cash", 1.1, Decimal("1.1"))
    with pytest.raises(AssertionError, match="cash: the client says Decimal"):
        same("cash", "1.100001", Decimal("1.1"))
    with pytest.raises(AssertionError, match="what became of it"):
        same("what became of it", "cancelled", "resting")


@pytest.mark.parametrize(("value", "text"), [("10", "10"), ("1.50", "1.5"), ("0.00", "0"), ("1E+2", "100")])
def test_decimals_are_shown_without_zeros_at_their_end(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
