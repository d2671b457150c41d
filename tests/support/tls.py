"""A certificate authority of the tests' own, and certificates from it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass
class Authority:
    """Signs certificates that count only where it is trusted."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def trust(self) -> ssl.SSLContext:
        """What a client that believes this authority alone goes by."""
        certificate = self._certificate("authority", self.key.public_key(), authority=True)
        return ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())

    def server(self, folder: Path, *hosts: str) -> ssl.SSLContext:
        """What a server of these hosts shows. `folder` is for the files that the library wants."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(hosts[0], key.public_key(), hosts=hosts)
        file = folder / f"{hosts[0]}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certificate(
        self, name: str, key: ec.EllipticCurvePublicKey, *, hosts: tuple[str, ...] = (), authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name)).issuer_name(_name("authority")).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )  # fmt: skip
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())
