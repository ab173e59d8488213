"""The certificate we show: read from two files, checked before it is used, replaced without a pause."""

import ssl
import stat
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509

from router.config import ConfigError

OLDEST = ssl.TLSVersion.TLSv1_2
"""What came before has known holes (RFC 8996)."""
PROTOCOLS = ("http/1.1",)

log = structlog.get_logger(__name__)


class Certificate:
    """Certificate chain and private key (PEM). What is in force changes only by `load`."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Nothing is read yet."""
        self._chain, self._key = chain, key
        self.context: ssl.SSLContext | None = None
        self.expires: datetime | None = None

    def load(self) -> None:
        """Read the files anew. ConfigError names setting and rule, and leaves the old ones in force."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = OLDEST
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(list(PROTOCOLS))
        expires = _expires(self._chain)
        try:
            if self._key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise ConfigError(f"server.tls_key: {self._key}: everybody may read it: chmod o-rwx")
            context.load_cert_chain(self._chain, self._key, password=_no_password)
        except ssl.SSLError as error:
            raise ConfigError(
                f"server.tls_key: {self._key}: not the private key of {self._chain}: {error.reason}"
            ) from error
        except OSError as error:
            raise ConfigError(f"server.tls_key: {self._key}: cannot be read: {error.strerror}") from error
        self.context, self.expires = context, expires
        log.info("tls.loaded", certificate=str(self._chain), expires=expires.isoformat())


def _expires(chain: Path) -> datetime:
    """When the first certificate of the file, our own, ends."""
    try:
        return x509.load_pem_x509_certificates(chain.read_bytes())[0].not_valid_after_utc
    except OSError as error:
        raise ConfigError(f"server.tls_certificate: {chain}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"server.tls_certificate: {chain}: holds no certificate in PEM") from error


def _no_password() -> str:
    """Asked for where the key is encrypted; OpenSSL would ask the terminal."""
    raise ConfigError("server.tls_key: the key is encrypted; one without a passphrase is needed")
