"""The certificates of our own services, by kind: what each may do, and nothing else."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ca import profiles
from ca.issuers import Issuer
from ca.plan import Plan, ServiceKind, ServicePlan
from ca.profiles import Validity

_DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336 §3.1
# RFC 6402 §2.10, which RFC 9483 §1.5 asks of a registration authority's certificate; SCEP (RFC 8894) names none.
_REGISTRATION_AUTHORITY = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
_PURPOSES = {
    # Readers built upon NSS take a document's signature only from who may sign mail; without an address nobody takes its mail.
    ServiceKind.DOCUMENT: (_DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION),
    ServiceKind.SCEP: (_REGISTRATION_AUTHORITY,),
    ServiceKind.CMP: (_REGISTRATION_AUTHORITY,),
    ServiceKind.MAIL: (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
}


def service_builder(
    plan: Plan, service: ServicePlan, issuer: Issuer, public_key: CertificatePublicKeyTypes, validity: Validity
) -> x509.CertificateBuilder:
    """Describe a service's certificate, with a new serial number."""
    name = plan.name_of(service.common_name)
    if service.kind == ServiceKind.OCSP:
        return profiles.responder_builder(issuer, name, public_key, profiles.new_serial(), validity)
    if service.kind == ServiceKind.TIMESTAMP:
        return profiles.timestamp_builder(issuer, name, public_key, validity, plan.addresses)
    if service.names is not None:
        return profiles.server_builder(issuer, service.names, public_key, validity, plan.addresses)
    builder = (
        x509.CertificateBuilder(
            issuer_name=issuer.certificate.subject,
            subject_name=name,
            public_key=public_key,
            serial_number=profiles.new_serial(),
            not_valid_before=validity.not_before,
            not_valid_after=validity.not_after,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_usage(service.kind), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_PURPOSES[service.kind]), critical=False)
        .add_extension(_crl_address(plan.addresses.crl(issuer.name)), critical=False)
        .add_extension(_authority_information(plan, issuer), critical=False)
    )
    if service.mail is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(service.mail)]), critical=False)
    return builder


def _key_usage(kind: ServiceKind) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        # What a document signer signs is meant (RFC 5280 §4.2.1.3).
        content_commitment=kind == ServiceKind.DOCUMENT,
        # SCEP's requests are encrypted to the registration authority's RSA key (RFC 8894 §3.2).
        key_encipherment=kind == ServiceKind.SCEP,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _crl_address(url: str) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)])


def _authority_information(plan: Plan, issuer: Issuer) -> x509.AuthorityInformationAccess:
    def at(method: x509.ObjectIdentifier, url: str) -> x509.AccessDescription:
        return x509.AccessDescription(method, x509.UniformResourceIdentifier(url))

    return x509.AuthorityInformationAccess(
        [
            at(AuthorityInformationAccessOID.OCSP, plan.addresses.ocsp()),
            at(AuthorityInformationAccessOID.CA_ISSUERS, plan.addresses.certificate(issuer.name)),
        ]
    )


def link_builder(subject: Issuer, signer: Issuer, validity: Validity, plan: Plan) -> x509.CertificateBuilder:
    """Describe a root's certificate by another root (RFC 4210 §4.4): same name and key, so that paths may go either way."""
    certificate = subject.certificate
    builder = x509.CertificateBuilder(
        issuer_name=signer.certificate.subject,
        subject_name=certificate.subject,
        public_key=certificate.public_key(),
        serial_number=profiles.new_serial(),
        not_valid_before=validity.not_before,
        not_valid_after=validity.not_after,
    )
    for extension in certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    above = x509.UniformResourceIdentifier(plan.addresses.certificate(signer.name))
    information = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, above)
    return (
        builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer.key_identifier), critical=False
        )
        .add_extension(_crl_address(plan.addresses.crl(signer.name)), critical=False)
        .add_extension(x509.AuthorityInformationAccess([information]), critical=False)
    )
