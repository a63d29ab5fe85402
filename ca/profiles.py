"""What our certificates contain. A profile turns facts into a builder; it neither signs nor stores.

RFC 5280 throughout; the terminal profile is the one of docs/architecture.md.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from ca.crl_encoding import list_name
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

    def crl(self, issuer: str, partition: int = 0, *, delta: bool = False) -> str:
        """Return the address of an issuer's complete CRL, of one of its partitions (1 …), or of the delta beside either."""
        return f"{self.status_url}/crl/{list_name(issuer, partition, delta=delta)}.crl"

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
    """The certificate of a logical terminal; `ca.profile_file` reads one from YAML.

    `san_prefix` is a tag URI's beginning (RFC 4151), the terminal's name follows it. `fixed_end` is the last day of
    the system generation where that is the policy; without it a certificate runs one year from its retrieval.
    `usages` are the names of pyca's KeyUsage, `purposes` object identifiers. `issuer_algorithms` and `subject_keys` are
    names of `keys.algorithms`; "rsa" among the latter is any size that `rsa_bits` (smallest, largest) allows.

    `partition_size` is how many certificates share a partition of their issuer's CRL, which each names from its making
    on; 0 is one list for all. With `delta` there are delta CRLs beside the lists, and certificates name them.
    """

    policy_oid: str
    san_prefix: str
    addresses: Addresses
    fixed_end: date | None = None
    backdating: timedelta = BACKDATING
    usages: tuple[str, ...] = ("digital_signature",)
    purposes: tuple[str, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,)
    issuer_algorithms: tuple[str, ...] = ("p256", "p384", "rsa3072", "rsa4096", "ed25519")
    subject_keys: tuple[str, ...] = ("p256", "p384", "rsa", "ed25519")
    rsa_bits: tuple[int, int] = (2048, 4096)
    partition_size: int = 0
    delta: bool = False

    def validity(self, start_date: date, now: datetime) -> Validity:
        """Return the dates: never before the start date, until the end of the last day in Tokyo.

        Raises Refused("start-date-too-far") when nothing would be left between the two.
        """
        not_before = max((now - self.backdating).replace(microsecond=0), day_start(start_date))
        not_after = day_end(self.fixed_end or one_year_from(tokyo_date(now)))
        if not_after <= not_before:
            raise Refused("start-date-too-far", start_date=start_date.isoformat())
        return Validity(not_before, not_after)

    @cached_property
    def key_usage(self) -> x509.KeyUsage:
        """The key usage (RFC 5280 §4.2.1.3)."""
        return _key_usage(**dict.fromkeys(self.usages, True))

    @cached_property
    def extended_key_usage(self) -> x509.ExtendedKeyUsage:
        """The purposes (RFC 5280 §4.2.1.12)."""
        return x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose) for purpose in self.purposes])

    @cached_property
    def policies(self) -> x509.CertificatePolicies:
        """The policy under which it is issued (RFC 5280 §4.2.1.4)."""
        return _policies(self.policy_oid)

    def authority_information(self, issuer: str) -> x509.AuthorityInformationAccess:
        """Return where OCSP and the issuer's certificate are found (RFC 5280 §4.2.2.1)."""
        return _authority_information(self.addresses, issuer, ocsp=True)

    def lists(self, issuer: str, partition: int) -> tuple[x509.ExtensionType, ...]:
        """Return where the certificate's CRL is (RFC 5280 §4.2.1.13), and the delta beside it (§4.2.1.15) where there is one."""
        points = _crl_address(self.addresses.crl(issuer, partition))
        if not self.delta:
            return (points,)
        return points, x509.FreshestCRL([_point(self.addresses.crl(issuer, partition, delta=True))])

    def alternative_name(self, terminal: str) -> x509.SubjectAlternativeName:
        """Return the terminal's URI."""
        return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self.san_prefix + terminal)])

    def builder(
        self,
        issuer: Issuer,
        public_key: CertificatePublicKeyTypes,
        subject: Subject,
        serial: int,
        validity: Validity,
        *,
        partition: int = 0,
    ) -> x509.CertificateBuilder:
        """Describe the certificate for pyca's builder: the reference that `ca.template` is compared with."""
        builder = (
            _base(issuer.certificate.subject, subject.name(), public_key, serial, validity)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(self.key_usage, critical=True)
            .add_extension(self.extended_key_usage, critical=False)
            .add_extension(self.policies, critical=False)
            .add_extension(self.alternative_name(subject.terminal), critical=False)
        )
        for value in (*self.lists(issuer.name, partition), self.authority_information(issuer.name)):
            builder = builder.add_extension(value, critical=False)
        return builder


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


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _key_usage(**usages: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**(dict.fromkeys(_USAGES, False) | usages))


def _policies(oid: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)])


def _crl_address(url: str) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([_point(url)])


def _point(url: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def _authority_information(addresses: Addresses, issuer: str, *, ocsp: bool) -> x509.AuthorityInformationAccess:
    issuers = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(addresses.certificate(issuer))
    )
    responder = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(addresses.ocsp()))
    return x509.AuthorityInformationAccess([responder, issuers] if ocsp else [issuers])
