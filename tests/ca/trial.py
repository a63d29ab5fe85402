"""A hierarchy in memory, for tests of what needs no database."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ca import profiles
from ca.issuers import Issuer, SigningIssuer
from ca.profiles import Addresses, Subject, TerminalProfile, Validity
from keys.algorithms import ALGORITHMS

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
ADDRESSES = Addresses("http://status.example.jp")
PROFILE = TerminalProfile("1.3.6.1.4.1.32473.1.1", "tag:example.jp,2026:terminal:", ADDRESSES)
SUBJECT = Subject("99999W", "NAC001", "NAC Trading Co., Ltd.")


@cache
def trial_issuer(algorithm: str = "p256") -> SigningIssuer:
    """Return a self-signed issuer that signs by an algorithm of `keys.algorithms`."""
    key = ALGORITHMS[algorithm].generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Trial CA with {algorithm}")])
    validity = Validity(NOW, NOW + timedelta(days=14_600))
    builder = profiles.authority_builder(name, key.public_key(), validity, None, ADDRESSES)
    return SigningIssuer(Issuer("trial", "trial", builder.sign(key, ALGORITHMS[algorithm].hash)), key)


def request_of(key: ec.EllipticCurvePrivateKey, subject: x509.Name | None = None) -> x509.CertificateSigningRequest:
    """Return a certification request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject or x509.Name([]))
    return builder.sign(key, hashes.SHA256())
