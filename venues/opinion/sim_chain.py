"""What clients of the simulated venue read from the chain: fees, balances, approvals, Safes (card, 2, 6)."""

from collections.abc import Callable

from venues.opinion import sim_rules as rules
from venues.opinion.sim_accounts import Accounts, Customer
from venues.opinion.sim_desk import Desk
from venues.sim.chain import Chain, ContractFunction, address_at, address_word, selector, uint_at, word
from venues.sim.model import Account

UNLIMITED = word(2**256 - 1)
WORD_BYTES = 32


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


class Contracts:
    """The contract functions over the venue's ledger, and the node that answers for them."""

    def __init__(self, desk: Desk, accounts: Accounts) -> None:
        self._desk = desk
        self._accounts = accounts
        self._calls: dict[tuple[bytes, bytes], ContractFunction] = {}
        self.chain = Chain(rules.CHAIN_ID, self._calls)
        tables: dict[str, dict[str, Callable[[bytes], bytes]]] = {
            rules.FEE_MANAGER: {"getFeeRateSettings(uint256)": self._fee_settings},
            rules.USDT: {
                "decimals()": lambda _: word(rules.DECIMALS),
                "balanceOf(address)": self._cash,
                "allowance(address,address)": lambda _: UNLIMITED,
            },
            rules.CONDITIONAL_TOKENS: {
                "balanceOf(address,uint256)": self._shares,
                "isApprovedForAll(address,address)": lambda _: word(1),
            },
        }
        for contract, functions in tables.items():
            self._provide(contract, functions)

    def add_safe(self, customer: Customer) -> None:
        """The Safe of a new customer: one owner, no transaction yet."""
        owner = address_word(_raw(customer.address))
        functions: dict[str, Callable[[bytes], bytes]] = {
            "nonce()": lambda _: word(0),
            "getThreshold()": lambda _: word(1),
            "getOwners()": lambda _: word(WORD_BYTES) + word(1) + owner,
            "isOwner(address)": lambda data: word(int(address_word(address_at(data, 0)) == owner)),
        }
        self._provide(customer.safe, functions)

    def _provide(self, contract: str, functions: dict[str, Callable[[bytes], bytes]]) -> None:
        for signature, function in functions.items():
            self._calls[_raw(contract), selector(signature)] = function

    def _fee_settings(self, data: bytes) -> bytes:
        """makerFeeRateBps, takerFeeRateBps, enabled, minFeeAmount: 0 on chain, whatever is charged."""
        known = self._desk.by_token.get(str(uint_at(data, 0)))
        if known is None:
            return word(0) * 4
        rate = known[0].rate
        return word(0) + word(rate.bps) + word(int(rate.enabled)) + word(0)

    def _cash(self, data: bytes) -> bytes:
        account = self._account(data)
        return word(self._desk.pending.chain_cash(account) * rules.WEI if account else 0)

    def _shares(self, data: bytes) -> bytes:
        account, known = self._account(data), self._desk.by_token.get(str(uint_at(data, 32)))
        if account is None or known is None:
            return word(0)
        terms, outcome = known
        return word(self._desk.pending.chain_shares(account, terms.market, outcome) * rules.WEI)

    def _account(self, data: bytes) -> Account | None:
        return self._accounts.of_safe("0x" + address_at(data, 0).hex())
