"""Credentials are parsed once and refused by name; nothing secret is ever shown. Signatures: the vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.limitless.examples import ADDRESS, SECRETS, signer
from venues.base.http import Purpose, Request
from venues.limitless.moments import moment, moment_ms
from venues.limitless.signer import LimitlessSigner


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"private_key": ""}, "private_key"), ({"private_key": "0x12"}, "private_key"),
        ({"private_key": "0x" + "0" * 64}, "private_key"), ({"private_key": "zz" * 32}, "private_key"),
        ({"token_id": ""}, "token_id"), ({"token_id": "a\nb"}, "token_id"), ({"token_id": "é"}, "token_id"),
        ({"token_secret": ""}, "token_secret"), ({"token_secret": "not base64!"}, "token_secret"),
        ({"token_secret": "2haAY4vLOvV4"[:-1]}, "token_secret"),
    ],
)  # fmt: skip
def test_a_bad_credential_is_refused_by_name_and_not_repeated(wrong: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        LimitlessSigner(SECRETS | wrong)
    assert all(len(value) < 4 or value not in str(refused.value) for value in wrong.values())


def test_spaces_around_a_credential_do_no_harm() -> None:
    padded = {name: f" {value}\n" for name, value in SECRETS.items()}
    assert LimitlessSigner(padded).address == ADDRESS


def test_no_secret_is_shown() -> None:
    shown = repr(signer()) + str(signer())
    assert ADDRESS in shown
    assert SECRETS["private_key"][2:] not in shown
    assert SECRETS["token_secret"] not in shown


def test_headers_of_the_request_stay() -> None:
    request = Request(method="GET", path="/p", purpose=Purpose.ACCOUNT, headers={"X": "y"}, private=True)
    signed = signer().sign(request, 1)
    assert signed.headers["X"] == "y"
    assert signed.headers["lmts-timestamp"] == "1970-01-01T00:00:00.001Z"
    assert request.headers == {"X": "y"}


@given(st.integers(0, 4_102_444_800_000))
def test_times_are_written_and_read_back(ms: int) -> None:
    assert moment_ms(moment(ms)) == ms
    assert len(moment(ms)) == 24


@pytest.mark.parametrize(
    "text",
    ["", "2026-08-31", "2026-08-31T07:12:32.741", "2026-08-31T07:12:32+00:00", "2026-02-30T00:00:00Z",
     "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "x2026-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        moment_ms(text)
