"""The certificates and keys of one control plane (https://kubernetes.io/docs/setup/best-practices/certificates/)."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID_FOR = datetime.timedelta(days=30)
_CLOCK_SKEW = datetime.timedelta(minutes=5)

SERVICE_ADDRESS = "10.96.0.1"
"""The first address of the service range: the `kubernetes` Service."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> None:
        """Writes `<name>.crt` and `<name>.key`, the key for its owner only."""
        (directory / f"{name}.crt").write_bytes(self.certificate)
        write_private(directory / f"{name}.key", self.key)


class Authority:
    """A certificate authority with a self-signed certificate."""

    def __init__(self, common_name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(common_name)
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        self.certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def client(self, common_name: str) -> Pair:
        """A client certificate of the user with this name."""
        return self._issue(_subject(common_name), ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def server(self, common_name: str, names: Sequence[str]) -> Pair:
        """A serving certificate for these DNS names and IP addresses."""
        return self._issue(_subject(common_name), ExtendedKeyUsageOID.SERVER_AUTH, [_san(name) for name in names])

    def _issue(self, subject: x509.Name, usage: x509.ObjectIdentifier, names: Sequence[x509.GeneralName]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(Encoding.PEM), _private_pem(key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        """With both key identifiers, which strict verifiers want (RFC 5280, 4.2.1.1; Python's default from 3.13 on)."""
        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder(subject_name=subject, issuer_name=self._name, public_key=key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _VALID_FOR)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(issuer, critical=False)
        )


@dataclass(frozen=True)
class Pki:
    """What the kubeconfig files need of it; the rest is in the folder."""

    directory: Path
    ca: bytes


def write_pki(directory: Path) -> Pki:
    """Makes all certificates and keys of a control plane in this folder."""
    directory.mkdir(mode=0o700)
    ca, front_proxy = Authority("kubernetes-ca"), Authority("front-proxy-ca")
    (directory / "ca.crt").write_bytes(ca.certificate)
    (directory / "front-proxy-ca.crt").write_bytes(front_proxy.certificate)
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    ca.server("kube-apiserver", ["localhost", *service, "127.0.0.1", SERVICE_ADDRESS]).write(directory, "apiserver")
    front_proxy.client("front-proxy-client").write(directory, "front-proxy-client")
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(directory / "service-account.key", _private_pem(key))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (directory / "service-account.pub").write_bytes(public)
    return Pki(directory, ca.certificate)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that nobody else may ever read, not even before it is complete."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The classic form for EC keys: Kubernetes reads it for service-account keys as well as for TLS.
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
