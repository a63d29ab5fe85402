"""What our certificates contain. A profile turns facts into a builder; it neither signs nor stores.

RFC 5280 throughout; the terminal profile is the one of docs/architecture.md.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from ca.issuers import Issuer
from kernel.clock import day_end, day_start, tokyo_date
from kernel.errors import Refused

# Terminals' clocks run behind: a certificate is good ten minutes before it was made.
BACKDATING = timedelta(minutes=10)
ORGANIZATION_LENGTH = 64  # X.520 ub-organization-name


@dataclass(frozen=True)
class Addresses:
    """Where the status door is reached; the addresses inside certificates are made from it."""

    status_url: str

    def crl(self, issuer: str) -> str:
        """Return the address of an issuer's CRL."""
        return f"{self.status_url}/crl/{issuer}.crl"

    def certificate(self, issuer: str) -> str:
        """Return the address of an issuer's certificate."""
        return f"{self.status_url}/ca/{issuer}.cer"

    def ocsp(self) -> str:
        """Return the address of the OCSP responder."""
        return f"{self.status_url}/ocsp"


@dataclass(frozen=True)
class Subject:
    """Whom a terminal certificate names. `organization` is the company's Latin name, else its Japanese one."""

    terminal: str
    office_code: str
    organization: str

    def name(self) -> x509.Name:
        """Return the distinguished name, most general part first."""
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organization),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self.office_code),
                x509.NameAttribute(NameOID.COMMON_NAME, self.terminal),
            ]
        )


@dataclass(frozen=True)
class Validity:
    """A certificate's first and last second."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class TerminalProfile:
    """The certificate of a logical terminal.

    `san_prefix` is a tag URI's beginning (RFC 4151), the terminal's name follows it. `fixed_end` is the last day of
    the system generation where that is the policy; without it a certificate runs one year from its retrieval.
    """

    policy_oid: str
    san_prefix: str
    addresses: Addresses
    fixed_end: date | None = None

    def validity(self, start_date: date, now: datetime) -> Validity:
        """Return the dates: never before the start date, until the end of the last day in Tokyo.

        Raises Refused("start-date-too-far") when nothing would be left between the two.
        """
        not_before = max((now - BACKDATING).replace(microsecond=0), day_start(start_date))
        not_after = day_end(self.fixed_end or one_year_from(tokyo_date(now)))
        if not_after <= not_before:
            raise Refused("start-date-too-far", start_date=start_date.isoformat())
        return Validity(not_before, not_after)

    def builder(
        self, issuer: Issuer, public_key: CertificatePublicKeyTypes, subject: Subject, serial: int, validity: Validity
    ) -> x509.CertificateBuilder:
        """Describe the certificate; from the request only the public key is taken."""
        return (
            _base(issuer.certificate.subject, subject.name(), public_key, serial, validity)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(_policies(self.policy_oid), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self.san_prefix + subject.terminal)]), critical=False
            )
            .add_extension(_crl_address(self.addresses.crl(issuer.name)), critical=False)
            .add_extension(_authority_information(self.addresses, issuer.name, ocsp=True), critical=False)
        )


def one_year_from(day: date) -> date:
    """Return the last day of a year that begins on `day`: the same date next year minus one day; 29 Feb gives 28 Feb."""
    if (day.month, day.day) == (2, 29):
        return date(day.year + 1, 2, 28)
    return day.replace(year=day.year + 1) - timedelta(days=1)


def new_serial() -> int:
    """Return a positive serial number of 20 octets with more than 128 random bits (RFC 5280 §4.1.2.2).

    The top bits are fixed to 01, so that every number has the same length and none is negative.
    """
    return (1 << 158) | secrets.randbits(158)


def authority_builder(
    name: x509.Name, public_key: CertificatePublicKeyTypes, validity: Validity, issued_by: Issuer | None, addresses: Addresses
) -> x509.CertificateBuilder:
    """Describe a CA certificate; without `issued_by` it is the self-signed root."""
    issuer_name = issued_by.certificate.subject if issued_by else name
    builder = (
        _base(issuer_name, name, public_key, new_serial(), validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0 if issued_by else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    if issued_by is None:
        return builder
    return (
        builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issued_by.key_identifier), critical=False
        )
        .add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)]), critical=False
        )
        .add_extension(_crl_address(addresses.crl(issued_by.name)), critical=False)
        .add_extension(_authority_information(addresses, issued_by.name, ocsp=False), critical=False)
    )


def responder_builder(
    issuer: Issuer, name: x509.Name, public_key: CertificatePublicKeyTypes, serial: int, validity: Validity
) -> x509.CertificateBuilder:
    """Describe a delegated OCSP responder (RFC 6960 §4.2.2.2), whose own status is not asked for (§4.2.2.2.1)."""
    return (
        _base(issuer.certificate.subject, name, public_key, serial, validity)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
    )


def timestamp_builder(
    issuer: Issuer, name: x509.Name, public_key: CertificatePublicKeyTypes, validity: Validity, addresses: Addresses
) -> x509.CertificateBuilder:
    """Describe a time-stamping unit; its key may do nothing else, and says so critically (RFC 3161 §2.3)."""
    return (
        _base(issuer.certificate.subject, name, public_key, new_serial(), validity)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(_crl_address(addresses.crl(issuer.name)), critical=False)
        .add_extension(_authority_information(addresses, issuer.name, ocsp=True), critical=False)
    )


@dataclass(frozen=True)
class ServerNames:
    """The names under which a door is reached; the first one is its common name."""

    host_names: tuple[str, ...]
    addresses: tuple[x509.IPAddress, ...] = ()


def server_builder(
    issuer: Issuer, names: ServerNames, public_key: CertificatePublicKeyTypes, validity: Validity, addresses: Addresses
) -> x509.CertificateBuilder:
    """Describe the TLS certificate of one of our doors (RFC 9525: names are in the SAN)."""
    general_names: list[x509.GeneralName] = [x509.DNSName(name) for name in names.host_names]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names.host_names[0])])
    return (
        _base(issuer.certificate.subject, subject, public_key, new_serial(), validity)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(general_names + list(names.addresses)), critical=False)
        .add_extension(_crl_address(addresses.crl(issuer.name)), critical=False)
        .add_extension(_authority_information(addresses, issuer.name, ocsp=True), critical=False)
    )


def _base(
    issuer: x509.Name, subject: x509.Name, public_key: CertificatePublicKeyTypes, serial: int, validity: Validity
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=public_key,
        serial_number=serial,
        not_valid_before=validity.not_before,
        not_valid_after=validity.not_after,
    )


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _policies(oid: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)])


def _crl_address(url: str) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point])


def _authority_information(addresses: Addresses, issuer: str, *, ocsp: bool) -> x509.AuthorityInformationAccess:
    issuers = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(addresses.certificate(issuer))
    )
    responder = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(addresses.ocsp()))
    return x509.AuthorityInformationAccess([responder, issuers] if ocsp else [issuers])
