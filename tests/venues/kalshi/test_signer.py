"""Credentials are parsed once and refused by name; nothing secret is ever shown. Signatures: the vectors."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.venues.kalshi.examples import KEYS, signer
from venues.base.http import Purpose, Request
from venues.kalshi.signer import KalshiSigner

PEM = KEYS["k1"]["private_key_pem"]


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("credentials", "complaint"),
    [
        ({"private_key": PEM}, "key_id"),
        ({"key_id": " ", "private_key": PEM}, "key_id"),
        ({"key_id": "k"}, "private_key"),
        ({"key_id": "k", "private_key": "not a key"}, "private_key"),
        ({"key_id": "k", "private_key": pem_of(rsa.generate_private_key(65_537, 1024))}, "2048"),
        ({"key_id": "k", "private_key": pem_of(ec.generate_private_key(ec.SECP256R1()))}, "Ed25519"),
        ({"key_id": "k", "private_key": PEM, "subaccount": "64"}, "subaccount"),
        ({"key_id": "k", "private_key": PEM, "subaccount": "-1"}, "subaccount"),
        ({"key_id": "k", "private_key": PEM, "account_precision": "0.01"}, "account_precision"),
    ],
)
def test_a_bad_credential_is_refused_by_name(credentials: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        KalshiSigner(credentials)
    assert PEM[40:60] not in str(refused.value)


def test_a_pem_may_come_with_its_line_ends_spelled_out() -> None:
    assert KalshiSigner({"key_id": "k", "private_key": PEM.replace("\n", "\\n")}).key_id == "k"


def test_no_secret_is_shown() -> None:
    shown = repr(signer()) + str(signer())
    assert not any(line in shown for line in PEM.splitlines() if line)


def test_headers_of_the_request_stay_and_the_query_is_not_signed_away() -> None:
    request = Request(
        method="GET", path="/p", purpose=Purpose.DATA, query=(("a", "b"),), headers={"X": "y"}, private=True
    )
    signed = signer().sign(request, 1)
    assert signed.target == "/p?a=b"
    assert signed.headers["X"] == "y"
    assert request.headers == {"X": "y"}
