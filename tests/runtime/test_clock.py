"""The real clock, as far as it can be wrong."""

import time
import uuid
from random import Random

from router.runtime.clock import SALT_MAX, SystemClock, uuid4_of


async def test_time_is_in_milliseconds_and_sleep_takes_as_long() -> None:
    clock = SystemClock()
    assert abs(clock.now_ms() - time.time() * 1000) < 1_000
    started = clock.monotonic_ms()
    await clock.sleep(30)
    assert 25 <= clock.monotonic_ms() - started < 1_000


def test_ids_are_fresh_and_well_formed() -> None:
    clock = SystemClock()
    assert len({clock.new_id() for _ in range(1_000)}) == 1_000
    assert uuid.UUID(clock.new_id()).version == 4
    route = clock.new_route_id()
    assert route.startswith("rord-")
    assert uuid.UUID(route[5:]).version == 4


def test_a_uuid_is_the_standard_librarys() -> None:
    luck = Random(3)
    for _ in range(1_000):
        drawn = luck.randbytes(16)
        assert uuid4_of(drawn) == str(uuid.UUID(bytes=drawn, version=4))


def test_salts_are_fresh_positive_and_exact_as_json_numbers() -> None:
    clock = SystemClock()
    salts = {clock.new_salt() for _ in range(1_000)}
    assert len(salts) == 1_000
    assert all(0 < salt <= SALT_MAX == 2**53 - 1 and int(float(salt)) == salt for salt in salts)


def test_jitter_reaches_both_ends_and_nothing_beyond() -> None:
    clock = SystemClock()
    assert {clock.jitter(2) for _ in range(200)} == {0, 1, 2}
    assert clock.jitter(0) == 0
