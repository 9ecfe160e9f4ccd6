"""Certificates of a cluster that lives for minutes."""

import base64
import ipaddress
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=30)
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate is for; `hosts` makes it a server's too."""

    name: str
    group: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that writes into one folder; its own key lies there too."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)
    name: x509.Name = field(default_factory=lambda: _name(Subject("vmcp-e2e-ca")))

    def begin(self) -> None:
        """Writes `ca.crt` and `ca.key`."""
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = self._builder(self.name, self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        self._write("ca", self.key, builder)

    def issue(self, file: str, subject: Subject) -> None:
        """Writes `<file>.crt` and `<file>.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = self._builder(_name(subject), key.public_key())
        if subject.hosts:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
            alternatives = x509.SubjectAlternativeName([_general_name(host) for host in subject.hosts])
            builder = builder.add_extension(alternatives, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        self._write(file, key, builder)

    def issue_key_pair(self, file: str) -> None:
        """Writes `<file>.key` and its public half, `<file>.pub`."""
        key = ec.generate_private_key(ec.SECP256R1())
        _write_private(self.folder / f"{file}.key", key)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.folder / f"{file}.pub").write_bytes(public)

    def kubeconfig(self, file: str, server: str) -> str:
        """Credentials of `<file>` with the certificates in them."""
        data = {name: _base64(self.folder / name) for name in ("ca.crt", f"{file}.crt", f"{file}.key")}
        user = {"client-certificate-data": data[f"{file}.crt"], "client-key-data": data[f"{file}.key"]}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "vmcp-e2e",
            "clusters": [
                {"name": "vmcp-e2e", "cluster": {"server": server, "certificate-authority-data": data["ca.crt"]}}
            ],
            "users": [{"name": file, "user": user}],
            "contexts": [{"name": "vmcp-e2e", "context": {"cluster": "vmcp-e2e", "user": file}}],
        }
        return json.dumps(document, indent=1)

    def _builder(self, name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )

    def _write(self, file: str, key: ec.EllipticCurvePrivateKey, builder: x509.CertificateBuilder) -> None:
        certificate = builder.sign(self.key, hashes.SHA256())
        (self.folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_private(self.folder / f"{file}.key", key)


def _name(subject: Subject) -> x509.Name:
    group = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.group)] if subject.group else []
    return x509.Name([*group, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # etcd and the control plane read both forms; the older one is what every Go program knows.
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    path.touch(0o600)
    path.write_bytes(pem)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
