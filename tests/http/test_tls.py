"""TLS: what is spoken, what is refused, and a certificate that changes while the router runs."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from router.cli.doctor import DAY_MS, certificate_finding
from router.config import ConfigError
from router.http.reaper import Limits
from router.http.tls import Certificate
from tests.http.test_app import Server, answer_of, serving, until

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Files:
    """An authority, and the router's two files signed by it."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.chain, self.key = folder / "router.pem", folder / "router.key"
        self.issue()

    def issue(self) -> None:
        """A fresh certificate and its key, as a renewal leaves them."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        self.key.touch(mode=0o600)
        self.key.write_bytes(issued.private_key_pem.bytes())

    @property
    def certificate(self) -> Certificate:
        return Certificate(self.chain, self.key)

    def trust(self) -> ssl.SSLContext:
        """A client that trusts the authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def ask(server: Server, context: ssl.SSLContext) -> tuple[int, ssl.SSLObject]:
    """One request over TLS: status, and what was agreed on."""
    return await ask_port(server.listener.port, context)


async def ask_port(port: int, context: ssl.SSLContext) -> tuple[int, ssl.SSLObject]:
    """The same."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    writer.write(HEALTH)
    status, _, _ = answer_of(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5))
    spoken: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    return status, spoken


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_request_over_tls_is_answered(files: Files, version: ssl.TLSVersion) -> None:
    context = files.trust()
    context.minimum_version = context.maximum_version = version
    async with serving(certificate=files.certificate) as server:
        status, spoken = await ask(server, context)
        assert (status, spoken.version()) == (200, {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name])
        assert server.listener.scheme == "https"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_what_came_before_tls_1_2_is_not_spoken(files: Files) -> None:
    context = files.trust()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    certificate = files.certificate
    async with serving(certificate=certificate) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(server, context)
        assert certificate.context is not None
        assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert (await ask(server, files.trust()))[0] == 200


async def test_plain_http_gets_no_answer_and_others_are_served(files: Files) -> None:
    async with serving(certificate=files.certificate) as server:
        assert b"HTTP" not in await server.say(HEALTH)
        assert (await ask(server, files.trust()))[0] == 200


async def test_a_handshake_that_does_not_come_is_closed_and_counted(files: Files) -> None:
    limits = Limits(per_address=3, head_ms=300)
    async with serving(certificate=files.certificate, limits=limits) as server:
        metrics = server.metrics.registry
        silent = [await server.connect() for _ in range(3)]
        assert metrics.get_sample_value("crossbook_http_connections") == 3
        assert (await ask(server, files.trust()))[0] == 200, "the longest silent one gave way"
        for reader, writer in silent:
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        await until(lambda: metrics.get_sample_value("crossbook_http_connections") == 0)
        gone = {"reason": "handshake"}
        assert metrics.get_sample_value("crossbook_http_connections_refused_total", gone) == 2


async def test_a_new_certificate_is_shown_from_now_on_and_open_connections_go_on(files: Files) -> None:
    async with serving(certificate=files.certificate) as server:
        _, before = await ask(server, files.trust())
        port = server.listener.port
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=files.trust(), server_hostname="localhost"
        )
        files.issue()
        server.listener.renew()
        _, after = await ask(server, files.trust())
        assert before.getpeercert(binary_form=True) != after.getpeercert(binary_form=True)
        writer.write(HEALTH)
        assert answer_of(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5))[0] == 200
        writer.close()
        ends = server.metrics.registry.get_sample_value("crossbook_tls_certificate_expires_seconds")
        assert ends == ssl.cert_time_to_seconds(str(after.getpeercert()["notAfter"]))  # type: ignore[index]  # verified


def test_the_doctor_tells_how_long_the_certificate_is_valid_and_when_it_is_not(files: Files) -> None:
    files.certificate.load()
    end = datetime(2060, 1, 31, tzinfo=UTC)
    issued = files.authority.issue_cert("localhost", not_after=end, not_before=end - timedelta(days=30))
    files.chain.write_bytes(issued.cert_chain_pems[0].bytes())
    files.key.write_bytes(issued.private_key_pem.bytes())
    end_ms = int(end.timestamp()) * 1000
    well = certificate_finding(files.certificate, end_ms - 2 * DAY_MS)
    assert (well.trouble, well.detail) == (None, "valid until 2060-01-31, 2 days")
    late = certificate_finding(files.certificate, end_ms + 1)
    assert late.trouble == "no longer valid since 2060-01-31; renew it"
    files.key.unlink()
    assert "server.tls_key" in (certificate_finding(files.certificate, 0).trouble or "")


def encrypted(files: Files) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    sealed = BestAvailableEncryption(b"hush")
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))


def others_key(files: Files) -> None:
    files.key.write_bytes(files.authority.issue_cert("localhost").private_key_pem.bytes())


BROKEN: list[tuple[Callable[[Files], object], str]] = [
    (lambda files: files.key.write_text("no key"), "server.tls_key: .*: not the private key"),
    (others_key, "server.tls_key: .*: not the private key .*KEY_VALUES_MISMATCH"),
    (encrypted, "server.tls_key: the key is encrypted"),
    (lambda files: files.key.chmod(0o644), "server.tls_key: .*: everybody may read it"),
    (lambda files: files.key.unlink(), "server.tls_key: .*: cannot be read: No such file"),
    (lambda files: files.chain.write_text("no chain"), "server.tls_certificate: .*: holds no certificate"),
    (lambda files: files.chain.unlink(), "server.tls_certificate: .*: cannot be read: No such file"),
]


@pytest.mark.parametrize(("spoil", "why"), BROKEN)
async def test_files_that_cannot_be_used_are_named_and_leave_the_old_ones_in_force(
    files: Files, spoil: Callable[[Files], object], why: str
) -> None:
    async with serving(certificate=files.certificate) as server:
        _, before = await ask(server, files.trust())
        spoil(files)
        with pytest.raises(ConfigError, match=why):
            server.listener.renew()
        _, after = await ask(server, files.trust())
        assert before.getpeercert(binary_form=True) == after.getpeercert(binary_form=True)
    with pytest.raises(ConfigError, match=why):
        files.certificate.load()
