"""No secret in any line, whoever writes it and however."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import structlog

from router.runtime.keys import new_key
from router.runtime.logs import GRAM, HIDDEN, TEXT_MAX, Redactor, bind, bound, configure

CANARY = "hunter2-canary"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEcanaryAAAA\nBBBBcanary2\n-----END PRIVATE KEY-----\n"


@pytest.fixture(params=["names never seen", "names seen before"])
def stream(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Logging set up as in production, into memory; undone afterwards. What is remembered changes nothing."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    redactor = Redactor()
    redactor.register(CANARY)
    redactor.register(PEM)
    configure(redactor, level="debug", stream=stream)
    if request.param == "names seen before":
        redactor(
            None, "", dict.fromkeys(("event", "level", "logger", "value", "path", "why", "exception"), 1)
        )
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_time_and_level(stream: io.StringIO) -> None:
    structlog.get_logger("x").warning("feed.gap", venue="acme", expected=8)
    [line] = lines(stream)
    assert line.pop("at").endswith("Z")
    assert line == {"event": "feed.gap", "venue": "acme", "expected": 8, "level": "warning"}


class Holder:
    def __repr__(self) -> str:
        return f"<Holder {CANARY}>"


@pytest.mark.parametrize(
    "value",
    [
        CANARY,
        f"https://x/?key={CANARY}&a=1",
        {"deep": [{"er": (CANARY,)}]},
        {CANARY: 1},
        Holder(),
        CANARY.encode(),
        ValueError(CANARY),
        "line MIIEcanaryAAAA of a PEM",
        "BBBBcanary2",
        {1: {2: {3: {4: {5: {6: {7: [CANARY]}}}}}}},
    ],
)
def test_a_known_secret_is_hidden_wherever_it_turns_up(stream: io.StringIO, value: object) -> None:
    structlog.get_logger().info("x", value=value)
    logging.getLogger("aiohttp.client").warning("value %s", value)
    assert "canary" not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


def test_a_traceback_is_searched_too(stream: io.StringIO) -> None:
    log = structlog.get_logger()
    try:
        int(CANARY)
    except ValueError:
        log.exception("broken")
        logging.getLogger("uvicorn").exception("broken")
    first, second = lines(stream)
    assert "ValueError" in first["exception"]
    assert "ValueError" in second["exception"]
    assert "canary" not in stream.getvalue()


@pytest.mark.parametrize(
    "name", ["api_key", "apiSecret", "Authorization", "passphrase", "POLY_SIGNATURE", "private_key", "Cookie"]
)
def test_some_names_are_hidden_whatever_they_hold(stream: io.StringIO, name: str) -> None:
    structlog.get_logger().info("x", **{name: "abc"}, headers={name: ["abc"]})
    [line] = lines(stream)
    assert line[name] == HIDDEN
    assert line["headers"][name] == HIDDEN


def test_a_text_cannot_forge_a_second_line(stream: io.StringIO) -> None:
    structlog.get_logger().info('a\n{"event":"forged"}', value="b\r\nc\u2028d")
    assert len(stream.getvalue().rstrip("\n").split("\n")) == 1


@pytest.mark.parametrize("value", ["\ud800", 10**30, -(10**30), {"\udfff": 10**20}, float("inf")])
def test_what_json_cannot_say_is_still_logged(stream: io.StringIO, value: object) -> None:
    structlog.get_logger().info("x", value=value)
    assert len(lines(stream)) == 1


def test_long_texts_are_cut(stream: io.StringIO) -> None:
    structlog.get_logger().info("x", value="a" * 100_000)
    [line] = lines(stream)
    assert len(line["value"]) <= TEXT_MAX + 10


def test_libraries_and_warnings_take_the_same_way(stream: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("boom")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    events = [line["event"] for line in lines(stream)]
    assert events[0] == "boom"
    assert "careful" in events[1]


def test_the_level_holds_for_all(stream: io.StringIO) -> None:
    configure(Redactor(), level="warning", stream=stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    logging.getLogger("aiohttp.access").info("quiet")
    assert stream.getvalue() == ""


def test_short_values_are_not_searched_for(stream: io.StringIO) -> None:
    redactor = Redactor()
    redactor.register("a")
    redactor.register("")
    configure(redactor, stream=stream)
    structlog.get_logger().info("banana")
    assert lines(stream)[0]["event"] == "banana"


def test_a_secret_that_contains_another_is_hidden_whole(stream: io.StringIO) -> None:
    redactor = Redactor()
    redactor.register("abcdef")
    redactor.register("abcdefghijkl")
    configure(redactor, stream=stream)
    structlog.get_logger().info("x", value="abcdefghijkl")
    assert lines(stream)[0]["value"] == HIDDEN


def test_every_secret_of_many_is_hidden_at_every_place_of_a_text() -> None:
    """What is searched for by pieces is found as surely as by trying each secret."""
    luck = Random(7)
    redactor = Redactor()
    secrets = ["".join(luck.choices("ab", k=luck.randrange(6, 12))) for _ in range(20)]
    secrets += ["".join(luck.choices("cdefgh", k=luck.randrange(12, 45))) for _ in range(40)]
    for secret in secrets:
        redactor.register(secret)
    for _ in range(3_000):
        parts = [luck.choice(secrets)[luck.randrange(3) :] for _ in range(luck.randrange(3))]
        parts += ["".join(luck.choices("abcdz", k=luck.randrange(25))) for _ in range(3)]
        luck.shuffle(parts)
        text = slow = "".join(parts)
        for secret in sorted(set(secrets), key=lambda secret: (-len(secret), secret)):
            slow = slow.replace(secret, HIDDEN)
        assert redactor(None, "", {"value": text, text: 1}) == {"value": slow, slow: 1}


def test_a_list_is_searched_under_a_name_seen_before() -> None:
    redactor = Redactor()
    redactor.register(CANARY)
    redactor(None, "", {"x": "seen"})
    assert redactor(None, "", {"x": [f"a {CANARY}", "b"]}) == {"x": [f"a {HIDDEN}", "b"]}
    assert redactor(None, "", {"x": ["b", 1, (CANARY,)]}) == {"x": ["b", 1, [HIDDEN]]}
    assert redactor(None, "", {"x": 1, "y": None}) == {"x": 1, "y": None}


@pytest.mark.parametrize("length", [*range(2 * GRAM - 3, 2 * GRAM + 2), 36, 64, 200])
def test_a_secret_of_any_length_is_found_at_any_place(length: int) -> None:
    redactor = Redactor()
    secret = "".join(Random(length).choices("abcdefgh", k=length))
    redactor.register(secret)
    for before in [*range(3 * GRAM), *range(length - GRAM, length + 2)]:
        assert redactor(None, "", {"x": "." * before + secret}) == {"x": "." * before + HIDDEN}


def test_a_field_name_seen_before_is_hidden_once_it_is_known_as_a_secret() -> None:
    redactor = Redactor()
    redactor(None, "", {"hunter2-late": 1})
    redactor.register("hunter2-late")
    assert redactor(None, "", {"hunter2-late": 1}) == {HIDDEN: 1}


def test_an_api_key_is_hidden_wherever_its_caller_put_it(stream: io.StringIO) -> None:
    key = new_key()
    structlog.get_logger("x").info(
        "request.refused", path=f"/api/accounts/{key}/orders", why=f"no {key}, {key}"
    )
    [line] = lines(stream)
    assert line["path"] == f"/api/accounts/{HIDDEN}/orders"
    assert line["why"] == f"no {HIDDEN}, {HIDDEN}"
    logging.getLogger("y").warning("%s", key)
    assert key[9:] not in stream.getvalue()


async def test_a_line_carries_what_its_task_and_those_that_started_it_bound(stream: io.StringIO) -> None:
    log = structlog.get_logger("x")

    async def inner() -> None:
        bind(route="r")
        log.info("inner")
        logging.getLogger("library").warning("theirs")

    with bound(request="a"):
        bind(key="k")
        await asyncio.create_task(inner())
        log.info("outer", key="said")
    log.info("after")
    inner_line, theirs, outer, after = (
        {name: line.get(name) for name in ("request", "key", "route")} for line in lines(stream)
    )
    assert inner_line == theirs == {"request": "a", "key": "k", "route": "r"}
    assert outer == {"request": "a", "key": "said", "route": None}
    assert after == {"request": None, "key": None, "route": None}
