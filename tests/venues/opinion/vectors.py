"""What the cases of Opinion's vectors mean: the official clients' requests, fees, frames and their books."""

import json
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import msgspec

from tests.venues.opinion import examples
from tests.venues.opinion.examples import Replay
from venues.base.events import BookSide
from venues.base.http import Response
from venues.base.listing import Native
from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, micros
from venues.kit import ctf_order
from venues.kit.ctf_order import CtfOrder
from venues.kit.eip712 import Key, digest, domain_separator
from venues.opinion.amounts import Amounts, given, limit_amounts
from venues.opinion.fees import OpinionCurve
from venues.opinion.reads import post
from venues.opinion.signer import OpinionSigner

Json = dict[str, Any]
_NEVER_SENT = "a market order, which we never send"


def cases(folder: Path) -> Iterable[tuple[str, Callable[[], None]]]:
    """Every case of `opinion.json`, and of the frames with the books beside them."""
    known = json.loads((folder / "opinion.json").read_text())
    wallet = known["wallet"]
    for case in known["reference_vectors"]:
        yield f"reference-{case['name']}", partial(_check_reference, case)
    for case in known["order_vectors"]:
        yield f"order-{case['name']}", partial(_check_order, case, wallet)
    for case in known["rejection_vectors"]:
        yield f"rejection-{case['name']}", partial(_check_rejection, case)
    for case in known["auth_vectors"]:
        yield f"auth-{case['name']}", partial(_check_auth, case, wallet)
    for number, case in enumerate(known["fee_vectors"]["cases"], 1):
        yield f"fee-{number:02}", partial(_check_fee, case)
    yield "fee-seen-on-chain", partial(_check_seen, known["fee_vectors"]["seen_on_chain"])
    frames = folder / "frames" / "opinion.jsonl"
    if frames.exists():
        yield "frames-against-slow-books", partial(_frames_slowly, frames)
        yield "frames-documented-books", partial(_frames_as_documented, frames)


def _draft(case: Json) -> CtfOrder:
    parties = {name: bytes.fromhex(case[name][2:]) for name in ("maker", "signer", "taker")}
    return CtfOrder(
        salt=int(case["salt"]), token_id=int(case["tokenId"]), maker_amount=int(case["makerAmount"]),
        taker_amount=int(case["takerAmount"]), expiration=int(case["expiration"]), nonce=int(case["nonce"]),
        fee_rate_bps=int(case["feeRateBps"]), side=int(case["side"]),
        signature_type=int(case["signatureType"]), **parties,
    )  # fmt: skip


def _check_reference(case: Json) -> None:
    """The hash over domain and struct; one of the domains is of the venue's former exchange."""
    domain = case["domain"]
    separator = domain_separator(
        domain["name"], domain["version"], domain["chainId"], bytes.fromhex(domain["verifyingContract"][2:])
    )
    hashed = digest(separator, ctf_order.struct_hash(_draft(case["order"])))
    assert "0x" + hashed.hex() == case["digest"]
    assert "0x" + Key(case["private_key"]).sign(hashed).hex() == case["signature"]


def _signer(wallet: Json, api_key: str = "k") -> OpinionSigner:
    return OpinionSigner(
        {"private_key": wallet["private_key"], "api_key": api_key, "safe": wallet["multisig_maker"]}
    )


def _check_order(case: Json, wallet: Json) -> None:
    """The signature over the client's own amounts, and the whole request; then our amounts beside theirs."""
    asked, fixed, context, expect = case["input"], case["fixed"], case["context"], case["expect"]
    signer = _signer(wallet, fixed["api_key"])
    side = Side.BUY if asked["side"] == "buy" else Side.SELL
    theirs = expect["order"]
    amounts = Amounts(int(theirs["makerAmount"]), int(theirs["takerAmount"]))
    draft = signer.draft(token=asked["token_id"], side=side, amounts=amounts, salt=int(fixed["salt"]))
    assert draft == _draft(theirs)
    signature = signer.signature(draft, context["exchange"])
    assert signature == expect["signature"]
    body = signer.body(
        draft,
        signature=signature,
        topic_id=asked["market_id"],
        timestamp_s=fixed["timestamp"],
        currency=context["quote_token"],
        price=asked.get("price", "0"),
        post_only=asked.get("post_only", False),
    )
    wanted = expect["request"]
    if asked["type"] == "market":
        body = msgspec.structs.replace(body, trading_method=1)
    request = signer.sign(post("/order", body), 0)
    assert (request.method, request.path) == (wanted["method"], wanted["path"])
    assert request.headers["apikey"] == wanted["headers"]["apikey"]
    sent = json.loads(request.body)
    if wanted["body"]["price"] != asked.get("price", "0"):  # as the client normalised it
        assert Fraction(wanted["body"]["price"]) == Fraction(asked["price"])
        sent["price"] = wanted["body"]["price"]
    assert sent == wanted["body"]
    if asked["type"] == "limit":
        _check_amounts(asked, context["quote_decimals"], amounts)


def _check_amounts(asked: Json, decimals: int, theirs: Amounts) -> None:
    """Ours have the exact price, never more than asked, and miss it by less than one step; theirs may not."""
    price, amount = Fraction(asked["price"]), Fraction(asked["amount"])
    shares = amount if asked["amount_unit"] == "base" else amount / price
    side = Side.BUY if asked["side"] == "buy" else Side.SELL
    order = examples.order(
        side=side,
        limit=Price(micros(asked["price"])),
        size=Size(int(shares * ONE)),
        cash=Cash(0),
        time_in_force=TimeInForce.GTC,
        salt=0,
    )
    ours = limit_amounts(order, decimals)
    for maker, taker in (ours, theirs):
        assert Fraction(maker, taker) == (price if side is Side.BUY else 1 / price)
    mine = ours.taker if side is Side.BUY else ours.maker
    asked_units = shares * 10**decimals
    assert asked_units - price.denominator - 10 ** (decimals - 6) < mine <= asked_units


def _check_rejection(case: Json) -> None:
    """What the clients refuse before they send: none of it can come out of our listing's rules."""
    asked = case["input"]
    listing = examples.listing()
    if asked["type"] == "limit":
        text = asked["price"]
        fine = Fraction(text) * ONE
        assert fine.denominator > 1 or not listing.valid_price(Price(int(fine))), text
    elif asked["amount"] == "0.99":
        assert listing.minimum_cash > micros(asked["amount"])
    else:
        assert msgspec.to_builtins(examples.signer().signed(examples.order()))["tradingMethod"] == 2, (
            _NEVER_SENT
        )


def _check_auth(case: Json, wallet: Json) -> None:
    signer, wanted = _signer(wallet), case["expect"]["request"]["headers"]
    assert signer.key_headers(case["input"]["action"], int(case["input"]["timestamp"])) == wanted
    assert wanted["OPINION_SIGNATURE"] == case["expect"]["signature"]


def _check_fee(case: Json) -> None:
    """The exact fee, rounded up to a millionth. With a discount only the rate differs: none is counted on."""
    price, shares = Price(micros(case["price"])), Size(micros(case["shares"]))
    exact = Fraction(case["fee_before_minimum"]) / (1 - Fraction(case["discount"]))
    least = Fraction(1, 4) if case["taker_rate_bps"] else Fraction(0)
    curve = OpinionCurve(case["taker_rate_bps"])
    fee = curve.charged(Side.BUY, [(price, shares)]).cash
    assert fee == ceil(max(exact, least) * ONE)
    assert curve.charged(Side.SELL, [(price, shares)]).cash == fee
    if case["discount"] == "0":
        assert max(exact, least) == Fraction(case["fee"])
        assert curve.minimum(Side.BUY) == ceil(least * ONE)
        assert (fee > curve.reserve(Side.BUY, price, shares)) is case["minimum_applied"]


def _check_seen(case: Json) -> None:
    """A match of late 2025, when the minimum was 0.5: the taker paid what the maker got, and the fee."""
    curve = OpinionCurve(400, Cash(500_000))
    price, size = Price(micros(case["price"])), Size(given(case["shares"]))
    fee = curve.charged(Side.BUY, [(price, size)]).cash
    assert fee == micros(case["taker_fee"])
    assert micros(case["taker_paid"]) == micros(case["resting_seller_received"]) + fee


# --- frames ---


def _seeds(frames: Path) -> tuple[Json, Json]:
    """The books to begin with and those after the last line, by name, from the page beside the frames."""
    before, after = re.findall(r"```json\n(.*?)```", frames.with_suffix(".md").read_text(), re.DOTALL)
    return json.loads(before), json.loads(after)


def _replayed(frames: Path) -> tuple[Replay, dict[str, tuple[str, str]]]:
    """A feed seeded with the page's books, and each market's two tokens."""
    before, _ = _seeds(frames)
    names: dict[str, list[str]] = {name.split()[1]: [] for name in before}
    for name, book in before.items():
        names[name.split()[1]].append(book["tokenId"])
    tokens = {market: (yes, no) for market, (yes, no) in names.items()}
    replay = Replay()
    replay.take(replay.feed.subscribe([Native(market) for market in tokens]))
    for market, (yes, no) in tokens.items():
        replay.answer(examples.market_reply(market, yes, no))
    for market in tokens:
        yes_book = next(book for name, book in before.items() if name.startswith(f"market {market} YES"))
        replay.answer(_book(yes_book))
    return replay, tokens


def _book(book: Json) -> Response:
    return examples.book_reply(dict(book["bids"]), dict(book["asks"]), token=book["tokenId"])


def _lines(frames: Path) -> list[str]:
    return [line for line in frames.read_text().splitlines() if line.strip()]


def _frames_slowly(frames: Path) -> None:
    """After every line the books equal those that a slow reading of the JSON keeps, for both tokens."""
    replay, tokens = _replayed(frames)
    before, _ = _seeds(frames)
    slow = {
        book["tokenId"]: {side: {Fraction(p): s for p, s in book[side]} for side in ("bids", "asks")}
        for book in before.values()
    }
    for number, line in enumerate(_lines(frames), 1):
        message = json.loads(line)
        replay.receive(line)
        if message.get("msgType") == "market.depth.diff":
            levels = slow[message["tokenId"]][message["side"]]
            levels.pop(Fraction(message["price"]), None)
            if message["size"] != "0":
                levels[Fraction(message["price"])] = message["size"]
        for market, (yes, _) in tokens.items():
            ours = replay.books[market]
            for side, name in ((BookSide.BID, "bids"), (BookSide.ASK, "asks")):
                want = {int(p * ONE): int(Fraction(s) * ONE) for p, s in slow[yes][name].items()}
                assert ours[side] == want, f"line {number}"
    assert not replay.lost


def _frames_as_documented(frames: Path) -> None:
    """The books after the last line as the page states them; the NO token's by reading ours the other way."""
    replay, tokens = _replayed(frames)
    for line in _lines(frames):
        replay.receive(line)
    _, after = _seeds(frames)
    assert len(after) == 2 * len(tokens)
    for name, book in after.items():
        ours = replay.books[name.split()[1]]
        bids, asks = (sorted(ours[side].items()) for side in (BookSide.BID, BookSide.ASK))
        if " NO" in name:
            bids, asks = ([(ONE - p, s) for p, s in reversed(half)] for half in (asks, bids))
        assert sorted(bids, reverse=True) == _documented(book["bids"]), name
        assert sorted(asks) == _documented(book["asks"]), name


def _documented(levels: list[list[str]]) -> list[tuple[int, int]]:
    return [(micros(price), int(Fraction(size) * ONE)) for price, size in levels]
