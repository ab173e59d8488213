"""Reading the body of a reply, or a frame, that may be damaged anywhere."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


def read(decoder: msgspec.json.Decoder[T], body: bytes | str) -> T:
    """Decode, or raise ValueError whatever is wrong with the text, also where no field of ours is damaged."""
    try:
        return decoder.decode(body if isinstance(body, str) else body.decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
