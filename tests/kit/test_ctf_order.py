"""Orders of the shared exchange against hashes that the venues' official clients computed."""

import msgspec
import pytest

from venues.kit.ctf_order import BUY, SELL, CtfOrder, struct_hash
from venues.kit.eip712 import digest, domain_separator

FIRST, ACCOUNT, OTHER, OWNER, LOCAL, SAFE, NINTH, LAST = (
    bytes.fromhex(address)
    for address in (
        "4Adb1F419718941b591C59eaf344A514558DD800",
        "F5b4563514bB2F010dB2dC48f90636D2eF7b5318",
        "229cEcd68a929Ce75523E9b657566dD22EC498b0",
        "fb7e1c903389a6D5A36703C9e2AE356Ec885E15b",
        "f39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "8eDBD5D17F368A50a7f8c0b1bBC0C9fCD0C2CcB3",
        "816762Bb0d86d06D6281A9016867e2C2bD279785",
        "7410951dddC980319C4596A9df1570824E4735DC",
    )
)
PUBLISHED: dict[str, tuple[CtfOrder, tuple[str, int, str], str]] = {
    "limit buy in wei": (
        CtfOrder(
            salt=1957927792,
            maker=FIRST,
            signer=FIRST,
            token_id=36836704788743641889472714676342231734981372015886963015064179051667839067731,
            maker_amount=42 * 10**18,
            taker_amount=100 * 10**18,
            expiration=4102444800,
            fee_rate_bps=200,
            side=BUY,
        ),
        ("predict.fun CTF Exchange", 56, "8BC070BEdAB741406F4B1Eb65A72bee27894B689"),
        "83443e711418b5e06ce63064bc367aa9ff1594f4371a654769c20092d73ef6c8",
    ),
    "a nonce on a test network": (
        CtfOrder(
            salt=91109129,
            maker=FIRST,
            signer=FIRST,
            token_id=66614496152812386521968821955477175191836298236064036089871268278565044186957,
            maker_amount=11099889 * 10**12,
            taker_amount=33333 * 10**15,
            expiration=4102444800,
            nonce=7,
            fee_rate_bps=100,
            side=BUY,
        ),
        ("predict.fun CTF Exchange", 97, "2A6413639BD3d73a20ed8C95F634Ce198ABbd2d7"),
        "7d6f37a6f9d06276635ab866633c48172996b59a9063d7a91a93c4d240cc027a",
    ),
    "market sale of a smart account": (
        CtfOrder(
            salt=241759181,
            maker=ACCOUNT,
            signer=ACCOUNT,
            token_id=66061192766784193687289135837142295591825103453109778497105242829251304727109,
            maker_amount=27505 * 10**17,
            taker_amount=1237725 * 10**13,
            expiration=1790001162,
            fee_rate_bps=200,
            side=SELL,
        ),
        ("predict.fun CTF Exchange", 97, "8a6B4Fa700A1e310b106E7a48bAFa29111f66e89"),
        "282a333cac51e63538f0a7d38a84782d8739acca0fa9087d1805e9893bb676a7",
    ),
    "a signer other than the maker": (
        CtfOrder(
            salt=1115760580,
            maker=OTHER,
            signer=OWNER,
            token_id=54731806699608473341365175650694689627507152812127197443023272622282056873143,
            maker_amount=25 * 10**18,
            taker_amount=0,
            side=BUY,
            signature_type=2,
        ),
        ("OPINION CTF Exchange", 56, "5F45344126D6488025B0b84A3A8189F2487a7246"),
        "0e11b97f3ca7153124d91c7b1af6115d4a435fa0c0cde8b11831dd0fa20f35f9",
    ),
    "a client's own unit test": (
        CtfOrder(
            salt=1,
            maker=SAFE,
            signer=LOCAL,
            token_id=102955147056674320605625831094933410586073394253729381009399467166952809400644,
            maker_amount=50,
            taker_amount=100,
            side=BUY,
            signature_type=2,
        ),
        ("OPINION CTF Exchange", 56, "F0aebf65490374a477100351291c736c73c11D9F"),
        "e2a2e949566e33f4624a15aa7968eab2c8d1e88f21efb347e9075a02b88dd456",
    ),
    "six decimals and no expiration": (
        CtfOrder(
            salt=1718900001,
            maker=NINTH,
            signer=NINTH,
            token_id=55495860933952623161804312836832454511172118193382558255003458575555912626843,
            maker_amount=6500000,
            taker_amount=10000000,
            fee_rate_bps=300,
            side=BUY,
        ),
        ("Limitless CTF Exchange", 8453, "B48128B87C3D8c10f778aC636fAe2D66889C4f19"),
        "680c943d52f4b00f2ddcec8297bbb1f4fde8c9c009440a42cbd0f343097d6f4c",
    ),
    "sale on another exchange": (
        CtfOrder(
            salt=9001,
            maker=LAST,
            signer=LAST,
            token_id=34474849807216869551679105371078917233172094608861084781974263752937520683113,
            maker_amount=1250500000,
            taker_amount=1234243500,
            fee_rate_bps=300,
            side=SELL,
        ),
        ("Limitless CTF Exchange", 8453, "E247eE8Bb79AA5A17c4cc94dEaD4710C64a25F63"),
        "e37256a665c98edaf19e183b01d3147dfd8b4eaa81defce6f6f4fd86c7541ab7",
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_order_has_the_hash_of_the_official_clients(name: str) -> None:
    order, (domain, chain, contract), expected = PUBLISHED[name]
    separator = domain_separator(domain, "1", chain, bytes.fromhex(contract))
    assert digest(separator, struct_hash(order)).hex() == expected


def test_every_field_is_signed() -> None:
    order = PUBLISHED["limit buy in wei"][0]
    changes: dict[str, object] = dict.fromkeys(CtfOrder.__struct_fields__, 1) | {
        "maker": SAFE,
        "signer": SAFE,
        "taker": SAFE,
    }
    hashes = {struct_hash(msgspec.structs.replace(order, **{name: value})) for name, value in changes.items()}
    assert len(hashes | {struct_hash(order)}) == len(CtfOrder.__struct_fields__) + 1


@pytest.mark.parametrize("salt", [-1, 2**256])
def test_a_number_that_is_no_uint256_is_refused(salt: int) -> None:
    order = msgspec.structs.replace(PUBLISHED["limit buy in wei"][0], salt=salt)
    with pytest.raises(OverflowError):
        struct_hash(order)
