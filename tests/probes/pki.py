"""Certificates made for a test: a root, an intermediate and leaves, with any date, name or flaw asked for."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Made:
    """A certificate, its key, and the certificates above it that a server would send."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def chain_file(self, folder: Path, *extras: Made) -> Path:
        """Leaf, intermediates, then extras, and the key, as a server loads them."""
        path = folder / f"{self.certificate.serial_number:x}-{len(extras)}.pem"
        chain = [self.pem, *(each.public_bytes(serialization.Encoding.PEM) for each in self.above)]
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(b"".join([*chain, *(extra.pem for extra in extras), key]))
        return path

    def file(self, folder: Path) -> str:
        path = folder / f"ca-{self.certificate.serial_number:x}.pem"
        path.write_bytes(self.pem)
        return str(path)


def make(
    name: str,
    by: Made | None = None,
    *,
    names: tuple[str, ...] = ("localhost", "127.0.0.1"),
    authority: bool = False,
    begins: datetime = NOW - 10 * DAY,
    ends: datetime = NOW + 90 * DAY,
    rsa_bits: int = 0,
) -> Made:
    """Signed by `by`, else by itself."""
    key = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names and not authority:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(each) for each in names]), critical=False
        )
    signer = by.key if by else key
    above = (by.certificate, *by.above) if by and by.certificate.issuer != by.certificate.subject else ()
    return Made(builder.sign(signer, hashes.SHA256()), key, above)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@cache
def root() -> Made:
    return make("test root", authority=True, begins=NOW - 1000 * DAY, ends=NOW + 1000 * DAY)


@cache
def intermediate() -> Made:
    return make("test intermediate", root(), authority=True, begins=NOW - 500 * DAY, ends=NOW + 300 * DAY)


@cache
def leaf() -> Made:
    return make("localhost", intermediate())


def serving(chain: Path, *, versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    if versions:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = versions
    return context
