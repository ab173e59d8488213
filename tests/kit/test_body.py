"""Bodies: read, or refused with ValueError wherever the damage is."""

import msgspec
import pytest

from venues.kit.body import read


class Wanted(msgspec.Struct):
    """One field; whatever else there is is skipped."""

    word: str


WANTED = msgspec.json.Decoder(Wanted)


@pytest.mark.parametrize("body", [b'{"word":"yes","x":[1]}', '{"word":"yes"}'])
def test_what_is_wanted_is_read(body: bytes | str) -> None:
    assert read(WANTED, body) == Wanted("yes")


@pytest.mark.parametrize(
    "body",
    [b"", b'{"word":1}', b'{"word":"yes","x":"\xff"}', b'{"word":"yes","x":' + b"[" * 100_000, "[" * 100_000],
    ids=["empty", "wrong type", "not UTF-8", "nested beside", "nested"],
)
def test_damage_anywhere_is_a_value_error(body: bytes | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reader's own words
        read(WANTED, body)
