"""What every venue does with doubles, forgeries, stale clocks and words nobody knows. Names no venue.

Which parts of a request a venue proves is found out from its own signer: a header that changes with the time
signs it, one that changes with the body signs that, and an order that carries a signature proves itself.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from router.core.report import FillLine
from tests.core.listed import kinds
from tests.venues.conformance_scene import BEGIN_MS, HELD, Scene, told
from tests.virtual_time import VirtualLoop, run
from tests.world import World
from tests.world import buy as routed_buy
from venues import discover
from venues.base.contract import Signer
from venues.base.http import Purpose, Request, Response, Talk, Unavailable
from venues.base.orders import Answer, Filled, Order, Pending, Rejected, Unknown, Working
from venues.base.units import ONE, Price, Size
from venues.sim.contract import Call
from venues.sim.ledger import listing_key
from venues.sim.model import HOUSE

VENUES = sorted(discover())
each_venue = pytest.mark.parametrize("venue", VENUES)
HOUR_MS = 3_600_000
MATCHED_MS = 5_000
"""Longer than any venue takes from a reply to a match on its books."""
HELD_MS = 500
"""Longer than any venue holds a taker, and shorter than any request may be on its way."""
WORD = re.compile(r"[A-Za-z][A-Za-z_ -]*")
NUMBERED = re.compile(r"status|state|errno|code", re.IGNORECASE)
"""Keys whose small numbers are words, too."""
UNSEEN, UNSEEN_NUMBER = "NEVER_SEEN", 77
SIGNATURE = re.compile(r"0x[0-9a-fA-F]{128,}")
Path = tuple[str | int, ...]
Bend = Callable[[Request, Call], Call]


# --- reading and changing JSON ---


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is no container, and where it is."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def put(body: bytes, path: Path, new: object) -> bytes:
    """The same JSON with one leaf changed."""
    whole = inner = json.loads(body)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return json.dumps(whole, separators=(",", ":")).encode()


def other(value: Any) -> Any:
    """Something else that looks alike."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    text = str(value or "")
    at = len(text) // 2
    swapped = {"0": "1"}.get(text[at : at + 1], "0" if text[at : at + 1] != "" else "x")
    return text[:at] + swapped + text[at + 1 :]


def sent_order(scene: Scene) -> tuple[Request, Call, Response]:
    """The request that placed an order, and its reply."""
    return [sent for sent in scene.sent if sent[0].purpose is Purpose.ORDER][-1]


# --- the same order twice ---


@each_venue
def test_the_same_bytes_again_are_a_duplicate_and_execute_nothing(venue: str) -> None:
    for wait_ms in (0, 20, 2_000):
        scene = Scene(venue)
        order = scene.planned()
        first = scene.place(order)
        _, call, _ = sent_order(scene)
        scene.wait(wait_ms)
        scene.sim.answer(call, scene.now_ms)
        scene.wait(MATCHED_MS)
        assert len(scene.arrived()) == 1
        assert told(scene.settle(order, first)) == scene.truth(order)


@each_venue
def test_whoever_hears_only_the_second_reply_is_not_told_that_nothing_was_done(venue: str) -> None:
    scene = Scene(venue)
    order = scene.planned()

    def again(request: Request, response: Response) -> Response:
        if request.purpose is not Purpose.ORDER:
            return response
        return scene.sim.answer(sent_order(scene)[1], scene.now_ms)

    scene.warp = again
    answer = scene.place(order)
    assert not isinstance(answer, Rejected), answer
    scene.warp = lambda _request, response: response
    assert told(scene.settle(order, answer)) == scene.truth(order)
    assert len(scene.arrived()) == 1


@each_venue
@pytest.mark.parametrize("misdeed", ["silent", "doubled", "error_after", "limited_after", "garbled"])
def test_a_router_in_doubt_neither_sends_again_nor_loses_a_fill(venue: str, misdeed: str) -> None:
    loop = VirtualLoop()
    world = World(loop, seed=5)
    misdeeds = iter([misdeed])
    world.network.misdeed = lambda _venue, request: (
        next(misdeeds, "") if request.purpose is Purpose.ORDER else ""
    )
    simulator = world.simulators[venue]
    asks = [(Price(500_000), Size(100 * ONE))]
    simulator.exchange.set_book(world.natives[venue][0], [], asks, world.clock.now_ms())

    async def day() -> list[FillLine]:
        router = await world.start(venues=[venue], answer_ms=600_000)
        report = await world.route(router, routed_buy(20 * ONE))
        return list(report.fills)

    [line] = run(loop, day())
    arrived = [order for order in simulator.exchange.orders.values() if order.account != HOUSE]
    assert len(arrived) == 1
    [done] = arrived
    assert (line.size, line.cash) == (done.filled, done.value)
    assert line.size > 0
    assert line.fee is not None
    assert (line.fee.cash, line.fee.shares) == (done.fees, sum(fill.kept for fill in done.fills))


# --- forgeries ---


class Late:
    """Signs with a clock that is wrong."""

    def __init__(self, signer: Signer, late_ms: int) -> None:
        self._signer, self._late_ms = signer, late_ms

    def sign(self, request: Request, now_ms: int) -> Request:
        return self._signer.sign(request, now_ms - self._late_ms)


def by_chance(scene: Scene, request: Request) -> set[str]:
    """Headers that differ each time the very same request is signed."""
    one, two = (scene.signer.sign(request, BEGIN_MS).headers for _ in range(2))
    return {name for name in one if one[name] != two[name]}


def depends(scene: Scene, request: Request, on: str) -> bool:
    """Whether the proof of a request depends on its body, or on the time."""
    later = replace(request, body=request.body + b" ") if on == "body" else request
    chance = by_chance(scene, request)
    one = scene.signer.sign(request, BEGIN_MS).headers
    two = scene.signer.sign(later, BEGIN_MS + (HOUR_MS if on == "time" else 0)).headers
    return any(one[name] != two[name] for name in one if name not in chance)


def added(request: Request, call: Call) -> list[str]:
    """The headers that the signer put on."""
    return sorted(set(call.headers) - {name.lower() for name in request.headers})


def proves_itself(body: bytes) -> bool:
    """Whether a signature is in it."""
    return any(SIGNATURE.fullmatch(str(leaf)) for _, leaf in leaves(json.loads(body)))


def forging(purpose: Purpose, name: str, forged: str) -> Bend:
    """Leaves this header out, or alters it."""

    def bend(request: Request, call: Call) -> Call:
        if request.purpose is not purpose or name not in call.headers:
            return call
        rest = {key: header for key, header in call.headers.items() if key != name}
        return replace(
            call, headers=rest | ({name: other(call.headers[name])} if forged == "altered" else {})
        )

    return bend


def changing(path: Path, leaf: object) -> Bend:
    """Puts something else into this place of an order."""

    def bend(request: Request, call: Call) -> Call:
        if request.purpose is not Purpose.ORDER:
            return call
        return replace(call, body=put(call.body, path, other(leaf)))

    return bend


def refused(scene: Scene, order: Order) -> Answer:
    """Placed, refused, and nothing done, then or later."""
    answer = scene.place(order)
    assert isinstance(answer, Rejected | Unknown), answer
    scene.wait(MATCHED_MS)
    assert scene.arrived() == []
    return answer


@each_venue
@pytest.mark.parametrize("forged", ["missing", "altered"])
def test_an_order_with_any_of_its_credentials_forged_is_refused(venue: str, forged: str) -> None:
    scene = Scene(venue)
    scene.place(scene.planned())
    request, call, _ = sent_order(scene)
    names = added(request, call)
    assert names, "an order is never sent without credentials"
    for name in names:
        scene = Scene(venue)
        scene.bend = forging(Purpose.ORDER, name, forged)
        answer = refused(scene, scene.planned())
        assert isinstance(answer, Rejected), "else it is in doubt for ever: it cannot be looked up either"


@each_venue
def test_an_order_that_proves_itself_is_not_executed_under_another_account(venue: str) -> None:
    scene = Scene(venue)
    held = {listing_key(scene.market, 0): HELD}
    honest, stranger = scene.signer, scene.card.signer(scene.open_account(held))
    talk = scene.card.orders.place(scene.planned(), honest)
    request = next(talk)
    while request.purpose is not Purpose.ORDER:
        request = talk.send(scene.answer(request))
    if not proves_itself(request.body):
        return  # whoever signs the request is whose order it is
    scene.answer(request, stranger)
    scene.wait(HELD_MS)
    owners = {order.account for order in scene.arrived()}
    scene.answer(request, honest)
    scene.wait(HELD_MS)
    assert len(scene.arrived()) == 1
    assert owners <= {order.account for order in scene.arrived()}


@each_venue
def test_an_order_that_was_changed_on_its_way_is_refused_or_does_what_was_signed(venue: str) -> None:
    scene = Scene(venue)
    scene.place(scene.planned())
    request, call, _ = sent_order(scene)
    all_of_it = depends(scene, request, "body")
    if not (all_of_it or proves_itself(call.body)):
        return  # the venue signs no bodies: only the connection protects them
    salted = changed_with_the_salt(venue)
    assert salted or not proves_itself(call.body)
    for path, leaf in leaves(json.loads(call.body)):
        scene = Scene(venue)
        scene.bend = changing(path, leaf)
        order = scene.planned()
        if all_of_it or path in salted:
            refused(scene, order)
            continue
        answer = scene.place(order)
        scene.wait(MATCHED_MS)
        assert len(scene.arrived()) <= 1
        assert isinstance(answer, Rejected | Unknown) or scene.arrived(), path
        _, cash, *_ = scene.truth(order)
        assert cash <= order.cash + order.reserve, path
        assert all(price <= order.limit for price, _, _ in scene.fills(order)), path


def changed_with_the_salt(venue: str) -> set[Path]:
    """Where an order's body differs from one that is the same but for its salt."""
    bodies = []
    for salt in (1_000_000_007, 1_000_000_009):
        scene = Scene(venue)
        scene.place(replace(scene.planned(), salt=salt))
        bodies.append(dict(leaves(json.loads(sent_order(scene)[1].body))))
    return {path for path, leaf in bodies[0].items() if bodies[1].get(path) != leaf}


def reads(scene: Scene) -> list[Talk[Any]]:
    """Everything private that can be asked about an account."""
    orders, listings = scene.card.orders, [scene.listing]
    return [
        orders.funds(scene.signer),
        orders.holdings(scene.signer, listings),
        orders.open_orders(scene.signer, listings),
        orders.history(scene.signer, listings),
    ]


@each_venue
def test_nothing_private_is_told_to_forged_credentials(venue: str) -> None:
    told_privately = 0
    for at in range(4):
        scene = Scene(venue)
        scene.sent.clear()
        honest = scene.hold(reads(scene)[at])
        private = [(request, call) for request, call, _ in scene.sent if request.private]
        told_privately += bool(private) and not isinstance(honest, Unavailable)
        for name in {name for request, call in private for name in added(request, call)}:
            for forged in ("missing", "altered"):
                scene = Scene(venue)
                scene.bend = forging(Purpose.ACCOUNT, name, forged)
                assert isinstance(scene.hold(reads(scene)[at]), Unavailable), (at, name, forged)
    assert told_privately, "some of it is private"


@each_venue
@pytest.mark.parametrize("late_ms", [HOUR_MS, 24 * HOUR_MS])
def test_a_stale_clock_is_refused_wherever_the_time_is_signed(venue: str, late_ms: int) -> None:
    scene = Scene(venue)
    scene.place(scene.planned())
    request, _, _ = sent_order(scene)
    timed = depends(scene, request, "time")
    scene = Scene(venue)
    order = scene.planned()
    talk = scene.card.orders.place(order, scene.signer)
    answer = scene.hold(talk, Late(scene.signer, late_ms))
    if not timed:
        assert told(scene.settle(order, answer)) == scene.truth(order), "no clock, no stale one"
        assert scene.fills(order)
        return
    assert isinstance(answer, Rejected | Unknown), answer
    scene.wait(MATCHED_MS)
    assert scene.arrived() == []


# --- words nobody knows ---


def words(body: bytes) -> Iterator[tuple[Path, object]]:
    """Every word of a reply, with one that was never seen in its place."""
    try:
        value = json.loads(body)
    except ValueError:
        return
    for path, leaf in leaves(value):
        if isinstance(leaf, str) and WORD.fullmatch(leaf):
            yield path, UNSEEN
        elif type(leaf) is int and abs(leaf) < 100 and NUMBERED.search(str(path[-1])):
            yield path, UNSEEN_NUMBER


def is_true_or_open(scene: Scene, order: Order, answer: Answer) -> None:
    """No more than was done, no last word that is wrong, and looked up again it is settled."""
    match answer:
        case Filled():
            assert told(answer) == scene.truth(order)
        case Working() | Pending():
            assert answer.size <= scene.truth(order)[0]
        case Rejected():
            raise AssertionError(answer)
        case Unknown():
            pass
    scene.warp = lambda _request, response: response
    assert told(scene.settle(order, answer)) == scene.truth(order)


def garbled(scene: Scene, number: int, path: Path, new: object) -> None:
    """From now on one word of one reply is another."""

    def warp(_request: Request, response: Response) -> Response:
        if len(scene.sent) - 1 != number:
            return response
        return replace(response, body=put(response.body, path, new))

    scene.warp = warp


@each_venue
def test_a_word_never_seen_in_the_reply_to_an_order_leaves_it_open(venue: str) -> None:
    scene = Scene(venue)
    begin = len(scene.sent)
    scene.place(scene.planned())
    cases = [
        (number, path, new)
        for number, (_, _, response) in enumerate(scene.sent)
        if number >= begin
        for path, new in words(response.body)
    ]
    for case in cases:  # none where a reply has numbers alone
        scene = Scene(venue)
        order = scene.planned()
        garbled(scene, *case)
        is_true_or_open(scene, order, scene.place(order))


@pytest.mark.slow
@each_venue
@pytest.mark.parametrize("lost", [False, True])
def test_a_word_never_seen_in_a_look_up_leaves_the_order_open(venue: str, lost: bool) -> None:
    def begin(wait_ms: int) -> tuple[Scene, Order, Answer]:
        scene = Scene(venue)
        order = scene.planned()
        answer = scene.place(order)
        scene.wait(wait_ms)
        return scene, order, Unknown(order.order_id, "cut") if lost else answer

    tried = 0
    for wait_ms in (50, 5_000):
        scene, order, answer = begin(wait_ms)
        before = len(scene.sent)
        scene.look_up(order, answer)
        for number, (_, _, response) in enumerate(scene.sent):
            for path, new in words(response.body) if number >= before else ():
                scene, order, answer = begin(wait_ms)
                garbled(scene, number, path, new)
                is_true_or_open(scene, order, scene.look_up(order, answer))
                tried += 1
    assert tried


@each_venue
@pytest.mark.parametrize("status", [100, 302, 418, 429, 500, 502, 503, 504, 599])
def test_a_status_that_proves_nothing_leaves_the_order_open_whatever_the_body_says(
    venue: str, status: int
) -> None:
    for polite in (False, True):
        scene = Scene(venue)
        order = scene.planned()

        def warp(request: Request, response: Response, polite: bool = polite) -> Response:
            if request.purpose is not Purpose.ORDER:
                return response
            return replace(response, status=status) if polite else Response(status, b"<html>busy</html>")

        scene.warp = warp
        is_true_or_open(scene, order, scene.place(order))


@each_venue
@pytest.mark.parametrize("cut", [0, 1, 3])
def test_a_reply_that_was_cut_short_leaves_the_order_open(venue: str, cut: int) -> None:
    scene = Scene(venue)
    order = scene.planned()
    scene.warp = lambda request, response: (
        replace(response, body=response.body[: len(response.body) * cut // 4])
        if request.purpose is Purpose.ORDER
        else response
    )
    is_true_or_open(scene, order, scene.place(order))


@each_venue
def test_every_kind_of_market_has_a_standard(venue: str) -> None:
    assert "standard" in kinds(venue)
