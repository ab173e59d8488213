"""The contracts that clients of the simulated venue read on BNB Chain (card, sections 2, 8 and 11).

Balances are those on chain: what has traded and is not yet settled has not moved them.
"""

from collections.abc import Callable

from venues.base.orders import Side
from venues.base.units import Cash, Size
from venues.kit.eip712 import checksummed, padded
from venues.predict import sim_proofs as proofs
from venues.predict.sim_desk import Desk
from venues.predict.sim_rules import STEP, Terms
from venues.sim.chain import (
    WORD_BYTES,
    Chain,
    ContractFunction,
    RevertError,
    address_at,
    selector,
    uint_at,
    word,
)
from venues.sim.model import notional

COLLATERAL = {
    56: "0x55d398326f99059fF775485246999027B3197955",
    97: "0xB32171ecD878607FFc4F8FC0bCcE6852BB3149E0",
}
DECIMALS = 18
SHARES = {
    56: {
        (False, False): "0x22DA1810B194ca018378464a58f6Ac2B10C9d244",
        (True, False): "0x22DA1810B194ca018378464a58f6Ac2B10C9d244",
        (False, True): "0x9400F8Ad57e9e0F352345935d6D3175975eb1d9F",
        (True, True): "0xF64b0b318AAf83BD9071110af24D24445719A07F",
    },
    97: {
        (False, False): "0x2827AAef52D71910E8FBad2FfeBC1B6C2DA37743",
        (True, False): "0x2827AAef52D71910E8FBad2FfeBC1B6C2DA37743",
        (False, True): "0x38BF1cbD66d174bb5F3037d7068E708861D68D7f",
        (True, True): "0x26e865CbaAe99b62fbF9D18B55c25B5E079A93D5",
    },
}
"""Conditional tokens by chain, then by (isNegRisk, isYieldBearing)."""
UNLIMITED = 2**256 - 1


def chain_cash(desk: Desk, wallet: str) -> Cash:
    """A wallet's collateral on chain."""
    account = desk.exchange.accounts.get(wallet)
    cash: int = account.cash if account else 0
    for order, fill in desk.settlements.floating(wallet):
        paid = notional(order.side, fill.price, fill.size)
        cash += fill.fee + (paid if order.side is Side.BUY else -paid)
    return Cash(cash)


def chain_shares(desk: Desk, wallet: str, terms: Terms, outcome: int) -> Size:
    """A wallet's shares of an outcome on chain."""
    market, account = terms.market, desk.exchange.accounts.get(wallet)
    shares: int = account.positions.get((market.market_id, outcome), 0) if account else 0
    for order, fill in desk.settlements.floating(wallet):
        if order.market is market and order.outcome == outcome:
            shares += fill.size if order.side is Side.SELL else fill.kept - fill.size
    return Size(shares)


def node_of(desk: Desk, chain_id: int) -> Chain:
    """A node of the chain that the venue settles on."""
    collateral, shares = COLLATERAL[chain_id], SHARES[chain_id]
    calls: dict[tuple[bytes, bytes], ContractFunction] = {}

    def add(contract: str, signature: str, function: ContractFunction) -> None:
        calls[bytes.fromhex(contract[2:]), selector(signature)] = function

    add(collateral, "decimals()", lambda _: word(DECIMALS))
    add(collateral, "balanceOf(address)", lambda given: word(chain_cash(desk, _wallet(given)) * STEP))
    add(collateral, "allowance(address,address)", _permission(desk, UNLIMITED))
    add(proofs.VALIDATOR, "ecdsaValidatorStorage(address)", lambda given: _owner(desk, given))
    for flags, contract in shares.items():
        same = {key for key, other in shares.items() if other == contract}
        add(contract, "balanceOf(address,uint256)", _balance_of(desk, same))
        add(contract, "isApprovedForAll(address,address)", _permission(desk, 1))
        add(proofs.EXCHANGES[chain_id][flags], "validateTokenId(uint256)", _validate(desk, flags))
    return Chain(chain_id, calls)


def _wallet(given: bytes) -> str:
    return checksummed(address_at(given, 0))


def _permission(desk: Desk, granted: int) -> ContractFunction:
    """What an owner allows a spender: all, or nothing."""

    def function(given: bytes) -> bytes:
        customer = desk.customers.get(_wallet(given))
        return word(granted if customer is not None and customer.approved else 0)

    return function


def _owner(desk: Desk, given: bytes) -> bytes:
    """The key that owns a Predict account; the zero address for other wallets."""
    customer = desk.customers.get(_wallet(given))
    owner = customer.owner if customer is not None and customer.wrapped else "0x" + "00" * 20
    return padded(bytes.fromhex(owner[2:]))


def _balance_of(desk: Desk, flags: set[tuple[bool, bool]]) -> ContractFunction:
    """Shares of a token, zero in the contracts that do not keep it."""

    def function(given: bytes) -> bytes:
        terms, outcome = desk.tokens.get(str(uint_at(given, WORD_BYTES)), (None, 0))
        if terms is None or (terms.neg_risk, terms.yield_bearing) not in flags:
            return word(0)
        return word(chain_shares(desk, _wallet(given), terms, outcome) * STEP)

    return function


def _validate(desk: Desk, flags: tuple[bool, bool]) -> Callable[[bytes], bytes]:
    """Reverts for a token that this exchange does not trade."""

    def function(given: bytes) -> bytes:
        terms, _ = desk.tokens.get(str(uint_at(given, 0)), (None, 0))
        if terms is None or (terms.neg_risk, terms.yield_bearing) != flags:
            raise RevertError("InvalidTokenId")
        return b""

    return function
