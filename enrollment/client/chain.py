"""Whether a certificate is what was asked for: our key, a chain to the trusted root, this terminal.

A start date ahead is no fault: the chain is judged for the later of now and the certificate's first second.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from enrollment.codes import Codes
from kernel.errors import Refused

DEEPEST = 4  # CA certificates between a terminal and its root


def roots(ca_bundle: Path) -> list[x509.Certificate]:
    """Return the certificates of a bundle; raises Refused("trust-unreadable")."""
    try:
        return x509.load_pem_x509_certificates(ca_bundle.read_bytes())
    except (OSError, ValueError):
        raise Refused("trust-unreadable", path=str(ca_bundle)) from None


def require_own_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Raise Refused("certificate-of-another-key") unless the certificate carries the key's public half."""
    if certificate.public_key() != key.public_key():
        raise Refused("certificate-of-another-key")


def require_chain(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], now: datetime
) -> None:
    """Raise Refused("chain-broken", detail=…) unless signatures, CA flags, purposes and dates lead up to a trusted root."""
    not_a_ca_but_a_client = (
        ExtensionPolicy.permit_all()
        .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _require_client_purpose)
        .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _require_no_authority)
    )
    try:
        verifier = (
            PolicyBuilder()
            .store(Store(list(trusted)))
            .time(max(now, certificate.not_valid_before_utc))
            .max_chain_depth(DEEPEST)
            .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=not_a_ca_but_a_client)
            .build_client_verifier()
        )
        verifier.verify(certificate, list(chain))
    except (VerificationError, ValueError) as error:
        raise Refused("chain-broken", detail=str(error)) from None


def require_terminal(certificate: x509.Certificate, codes: Codes) -> str:
    """Return the terminal's name; raises Refused("certificate-of-another-terminal") when it is not that of the codes."""
    name, office = common_name(certificate), _attribute(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)
    # Code 1 is the company's abbreviation and the last four characters of the terminal's name.
    if office != codes.office_code or not name.endswith(codes.auth_code_1[3:]):
        raise Refused("certificate-of-another-terminal", terminal=name)
    return name


def common_name(certificate: x509.Certificate) -> str:
    """Return the terminal's name as the certificate has it, or nothing."""
    return _attribute(certificate, NameOID.COMMON_NAME)


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if len(found) == 1 else ""


def _require_client_purpose(_policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage) -> None:
    if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        message = "not for TLS clients"
        raise ValueError(message)


def _require_no_authority(_policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints | None) -> None:
    if constraints is not None and constraints.ca:
        message = "a CA's certificate"
        raise ValueError(message)
