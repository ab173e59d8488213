"""Numerals: whole numbers as text, in headers, queries and bodies that a client may fill with anything."""


def numeral(text: str, most: int) -> int | None:
    """The number these ASCII digits write; None if they are none, too many, or make more than `most`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None
