"""Certificates that a strict verifier believes."""

import datetime
import ipaddress
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from controlplane.pki import Authority, Pki, write_pki

SERVER_NAMES = [
    x509.DNSName("localhost"),
    x509.DNSName("kubernetes"),
    x509.DNSName("kubernetes.default"),
    x509.DNSName("kubernetes.default.svc"),
    x509.DNSName("kubernetes.default.svc.cluster.local"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("10.96.0.1")),
]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return write_pki(tmp_path_factory.mktemp("run") / "pki")


def policy(ca: bytes) -> PolicyBuilder:
    return PolicyBuilder().store(Store([x509.load_pem_x509_certificate(ca)]))


@pytest.mark.parametrize("name", SERVER_NAMES, ids=lambda name: str(name.value))
def test_the_api_server_is_believed_under_all_its_names(pki: Pki, name: x509.DNSName | x509.IPAddress) -> None:
    served = x509.load_pem_x509_certificate((pki.directory / "apiserver.crt").read_bytes())
    policy(pki.ca).build_server_verifier(name).verify(served, [])


def test_it_is_not_believed_under_another_name_or_by_another_authority(pki: Pki) -> None:
    served = x509.load_pem_x509_certificate((pki.directory / "apiserver.crt").read_bytes())
    with pytest.raises(VerificationError):
        policy(pki.ca).build_server_verifier(x509.DNSName("example.org")).verify(served, [])
    other = (pki.directory / "front-proxy-ca.crt").read_bytes()
    with pytest.raises(VerificationError):
        policy(other).build_server_verifier(x509.DNSName("localhost")).verify(served, [])


def test_keys_are_elliptic_belong_together_and_are_private(pki: Pki) -> None:
    key = load_pem_private_key((pki.directory / "service-account.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == load_pem_public_key((pki.directory / "service-account.pub").read_bytes())
    keys: list[Path] = list(pki.directory.glob("*.key"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert len(keys) == 3


def test_certificates_are_valid_now_also_by_a_clock_that_is_behind() -> None:
    pair = Authority("ca").client("somebody")
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    now = datetime.datetime.now(datetime.UTC)
    assert certificate.not_valid_before_utc < now - datetime.timedelta(minutes=4)
    assert certificate.not_valid_after_utc > now + datetime.timedelta(days=7)
