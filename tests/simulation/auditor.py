"""An auditor with books of its own: what the router wrote down and what the venues did must come to the same.

It shares no code with the router. It reads the JSON of the router's records and the rows of the venues'
ledgers by itself, posts every fill to an account of the venue's book and again to one of the router's, and
compares order by order, account by account. It serves simulated days and real processes alike.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

Row = dict[str, Any]
Pairs = Mapping[str, Sequence[tuple[str, str]]]
"""By venue: the listing keys of the two outcomes of each market."""

ONE = 1_000_000
FEE_EXCESS_MAX = 50_000
"""Books jump by tens of cents in a simulation. By that much times the fee rate, 7 % at most, a fee on top may
pass what was reserved for it: docs/money.md."""
CASH = ("cash", 0)


class Done(NamedTuple):
    """What one order did, in the terms of its market's first outcome, in millionths.

    A purchase of the second at `p` is a sale of the first at 1 - `p`: venues keep either.
    """

    market: str
    bought: bool
    size: int
    cash: int
    fee: int
    kept: int


class Journal:
    """The router's records, read without the router's code."""

    def __init__(self, records: Iterable[bytes]) -> None:
        self.faults: list[str] = []
        self.orders: dict[str, Row] = {}
        """Every order that may have been sent."""
        self.route_of: dict[str, str] = {}
        self.asked: dict[str, Row] = {}
        self.last: dict[str, Row] = {}
        """The last word on each order."""
        self._heard: defaultdict[str, list[Row]] = defaultdict(list)
        self.finished: set[str] = set()
        for line in records:
            self._read(msgspec.json.decode(line))

    def _read(self, record: Row) -> None:
        route = record["route_id"]
        match record["type"]:
            case "planned":
                self.asked[route] = record["asked"]
                self._intend(route, record["orders"])
            case "extended":
                self._intend(route, record["orders"])
            case "answered":
                self._answered(route, record["answer"])
            case "finished":
                self.finished.add(route)
            case _:
                pass  # keys are the callers' business

    def _intend(self, route: str, orders: Iterable[Row]) -> None:
        for order in orders:
            if order["order_id"] in self.orders:
                self.faults.append(f"{order['order_id']}: intended twice")
            self.orders[order["order_id"]] = order
            self.route_of[order["order_id"]] = route

    def _answered(self, route: str, answer: Row) -> None:
        order_id = answer["order_id"]
        if self.route_of.get(order_id) != route:
            self.faults.append(f"{order_id}: answered, but its route does not intend it")
        heard = self._heard[order_id]
        if answer in heard:
            return  # written again by a router that could not know that it had been
        heard.append(answer)
        if order_id in self.last:
            self.faults.append(f"{order_id}: {answer} after its last word, {self.last[order_id]}")
        elif answer["type"] in ("Filled", "Rejected"):
            self.last[order_id] = answer

    def open(self) -> set[str]:
        """Orders that may have been sent and have no last word."""
        closed = {order_id for order_id, route in self.route_of.items() if route in self.finished}
        return self.orders.keys() - self.last.keys() - closed


class Auditor:
    """Compares everything there is. Every method returns what is wrong, in words; nothing is good."""

    def __init__(self, pairs: Pairs, opening: Mapping[str, Row]) -> None:
        """`opening` holds the venues' ledgers from before the first order."""
        self._market = {
            (venue, key): (f"{venue}/{number}", outcome)
            for venue, markets in pairs.items()
            for number, keys in enumerate(markets)
            for outcome, key in enumerate(keys)
        }
        self._opening = {venue: self._balances(venue, ledger) for venue, ledger in opening.items()}

    def audit(self, records: Iterable[bytes], ledgers: Mapping[str, Row]) -> list[str]:
        """When all is quiet: every order has its last word, and both sides have the same books."""
        journal = Journal(records)
        faults = list(journal.faults)
        faults += [f"{order_id}: no last word" for order_id in sorted(journal.open())]
        faults += [f"{route}: never finished" for route in sorted(journal.asked.keys() - journal.finished)]
        faults += self._requests(journal)
        for venue, ledger in ledgers.items():
            faults += self._rows(venue, ledger)
            faults += self._orders(venue, journal, ledger)
            faults += self._accounts(venue, journal, ledger)
        return faults

    def audit_told(self, records: Iterable[bytes], bodies: Iterable[bytes]) -> list[str]:
        """Callers were told no more than happened, and of no failure without proof."""
        journal, faults = Journal(records), []
        by_venue_id = {word["venue_order_id"]: word for word in journal.last.values() if _filled(word)}
        for body in bodies:
            for line in msgspec.json.decode(body).get("fills", ()):
                said = str(line["orderId"])
                ours = said.removeprefix("failed-")
                word = by_venue_id.get(said) or journal.last.get(ours)
                faults += _compared(line, word)
        return faults

    # --- the records alone ---

    def _requests(self, journal: Journal) -> list[str]:
        """No order did more than it was for, no route more than its caller asked."""
        faults, sold, spent = [], Counter[str](), Counter[str]()
        for order_id, word in journal.last.items():
            order = journal.orders.get(order_id)
            if order is None or not _filled(word):
                continue
            route, fee = journal.route_of[order_id], _fee(word)[0]
            if order["side"] == "sell":
                sold[route] += word["size"]
                if word["size"] > order["size"]:
                    faults.append(f"{order_id}: sold {word['size']} of {order['size']}")
            else:
                spent[route] += word["cash"] + fee
                if word["cash"] + fee > (order["cash"] + order["reserve"]) * (ONE + FEE_EXCESS_MAX) // ONE:
                    faults.append(f"{order_id}: spent {word['cash']} + {fee}, more than was held for it")
        for route, asked in journal.asked.items():
            if asked["side"] == "sell" and sold[route] > asked["size"]:
                faults.append(f"{route}: sold {sold[route]} of {asked['size']}")
            if asked["side"] == "buy" and spent[route] > asked["amount"] * (ONE + FEE_EXCESS_MAX) // ONE:
                faults.append(f"{route}: spent {spent[route]} of {asked['amount']}")
        return faults

    # --- the venue's ledger alone ---

    def _rows(self, venue: str, ledger: Row) -> list[str]:
        """The venue's orders are the sums of its fills."""
        sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for fill in ledger["fills"]:
            sums[fill["order_id"]]["size"] += _micros(fill["size"])
            sums[fill["order_id"]]["fee"] += _micros(fill["fee"])
        return [
            f"{venue} {order['order_id']}: its fills do not add up"
            for order in ledger["orders"]
            if (_micros(order["filled"]), _micros(order["fees"]))
            != (sums[order["order_id"]]["size"], sums[order["order_id"]]["fee"])
        ]

    # --- both ---

    def _orders(self, venue: str, journal: Journal, ledger: Row) -> list[str]:
        """What each order did is the same on both sides, and neither has one that the other has not."""
        mine: dict[str, Done] = {}
        faults = []
        for order_id, word in journal.last.items():
            order = journal.orders.get(order_id)
            if order is not None and order["listing"]["venue"] == venue and _filled(word):
                if word["venue_order_id"] in mine:
                    faults.append(f"{venue} {word['venue_order_id']}: booked for two orders of ours")
                mine[word["venue_order_id"]] = self._booked(venue, order, word)
        theirs = {
            order["order_id"]: self._done(venue, ledger, order)
            for order in ledger["orders"]
            if _micros(order["filled"])
        }
        for venue_id in sorted(theirs.keys() | mine.keys()):
            if venue_id not in mine:
                faults.append(f"{venue} {venue_id}: {theirs[venue_id]} at the venue is in no record")
            elif venue_id not in theirs:
                faults.append(f"{venue} {venue_id}: {mine[venue_id]} in the records never happened")
            elif mine[venue_id] != theirs[venue_id]:
                faults.append(f"{venue} {venue_id}: {mine[venue_id]} recorded, {theirs[venue_id]} happened")
        resting = [order["order_id"] for order in ledger["orders"] if order["status"] == "resting"]
        return faults + [f"{venue} {venue_id}: still rests on the book" for venue_id in resting]

    def _booked(self, venue: str, order: Row, word: Row) -> Done:
        fee, kept = _fee(word)
        key = order["listing"]["native"] + (":inverted" if order["listing"]["inverted"] else "")
        return self._turned(venue, key, order["side"], (word["size"], word["cash"], fee, kept))

    def _done(self, venue: str, ledger: Row, order: Row) -> Done:
        kept = sum(_micros(f["fee_shares"]) for f in ledger["fills"] if f["order_id"] == order["order_id"])
        figures = (_micros(order["filled"]), _micros(order["value"]), _micros(order["fees"]), kept)
        return self._turned(venue, order["listing"], order["side"], figures)

    def _turned(self, venue: str, key: str, side: str, figures: tuple[int, int, int, int]) -> Done:
        market, outcome = self._market[venue, key]
        size, cash, fee, kept = figures
        bought = (side == "buy") == (outcome == 0)
        return Done(market, bought, size, cash if outcome == 0 else size - cash, fee, kept)

    def _accounts(self, venue: str, journal: Journal, ledger: Row) -> list[str]:
        """Opening balances and the fills make the closing balances, by the venue's fills and by ours.

        A pair of both outcomes may have turned into a dollar: as many of each, and as much money.
        """
        of_venue, of_router = Counter(self._opening[venue]), Counter(self._opening[venue])
        for order in ledger["orders"]:
            kept = sum(
                _micros(f["fee_shares"]) for f in ledger["fills"] if f["order_id"] == order["order_id"]
            )
            figures = (_micros(order["filled"]), _micros(order["value"]), _micros(order["fees"]), kept)
            self._post(of_venue, self._market[venue, order["listing"]], order["side"], figures)
        for order_id, word in journal.last.items():
            own = journal.orders.get(order_id)
            if own is not None and own["listing"]["venue"] == venue and _filled(word):
                key = own["listing"]["native"] + (":inverted" if own["listing"]["inverted"] else "")
                figures = (word["size"], word["cash"], *_fee(word))
                self._post(of_router, self._market[venue, key], own["side"], figures)
        closing = self._balances(venue, ledger)
        return [
            f"{venue}: {whose} fills make {dict(book)}, its accounts hold {dict(closing)}"
            for whose, book in (("the venue's", of_venue), ("the router's", of_router))
            if not _same(book, closing)
        ]

    def _balances(self, venue: str, ledger: Row) -> Counter[tuple[str, int]]:
        held: Counter[tuple[str, int]] = Counter()
        for account in ledger["accounts"]:
            held[CASH] += _micros(account["balance"])
            for key, size in account["positions"].items():
                held[self._market[venue, key]] += _micros(size)
        return held

    @staticmethod
    def _post(
        book: Counter[tuple[str, int]], claim: tuple[str, int], side: str, figures: tuple[int, int, int, int]
    ) -> None:
        """Cash against shares: what one account gets the other gives."""
        size, cash, fee, kept = figures
        sign = 1 if side == "buy" else -1
        book[CASH] -= sign * cash + fee
        book[claim] += sign * size - kept


def _same(book: Counter[tuple[str, int]], closing: Counter[tuple[str, int]]) -> bool:
    """Equal, but for pairs that became dollars."""
    turned = 0
    for market in {name for name, _ in {*book, *closing} if name != CASH[0]}:
        first = book[market, 0] - closing[market, 0]
        if first != book[market, 1] - closing[market, 1]:
            return False
        turned += first
    return closing[CASH] - book[CASH] == turned


def _compared(line: Row, word: Row | None) -> list[str]:
    """One line of an answer to a caller, and the last word on its order."""
    done = word["size"] if word is not None and _filled(word) else 0
    size, at = _micros(line["size"]), f"{line['venue']} {line['orderId']}"
    if line["status"] == "failed" and done:
        return [f"{at}: told to have failed, but it traded {done}"]
    if size > done:
        return [f"{at}: told to have traded {size}, but it traded {done}"]
    if line["status"] == "partial" and (word is None or size != done):
        return [f"{at}: told to have ended with {size}, but it traded {done}"]
    return []


def _filled(word: Row) -> bool:
    return bool(word["type"] == "Filled" and word["size"])


def _fee(word: Row) -> tuple[int, int]:
    """Money, and shares kept."""
    fee = word["fee"]
    return (0, fee["amount"]) if fee["unit"] == "shares" else (fee["amount"], 0)


def _micros(text: str) -> int:
    """Decimal text in millionths. A finer digit would be an amount that the router cannot have."""
    scaled = Decimal(text) * ONE
    assert scaled == scaled.to_integral_value(), text
    return int(scaled)
