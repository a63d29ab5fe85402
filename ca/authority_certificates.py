"""Every certificate of our authorities that was ever made, for whoever builds a path: also those that were followed.

A root has one of its own and one by each other root that it is linked with (RFC 4210 §4.4).
"""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import issuers
from ca.issuers import Issuer
from ca.tables import IS_OURS, CertificateRow


def named(session: Session, name: str) -> bytes | None:
    """Return the certificate (DER) with a name in our records: an issuer's, or a link such as `root-2-by-root`."""
    issuer = issuers.load(session, name)
    return issuer.der if issuer is not None else links(session).get(name)


def links(session: Session) -> dict[str, bytes]:
    """Return the certificates that roots gave each other, by name."""
    roots = [one.name for one in issuers.load_all(session) if _is_root(one)]
    # Of a root's certificates one is its own, which has its name; no service stands below a root.
    query = select(CertificateRow.subject, CertificateRow.der).where(
        IS_OURS, CertificateRow.issuer.in_(roots), CertificateRow.der.is_not(None)
    )
    authorities = {one.name for one in issuers.load_all(session)}
    found = session.execute(query.order_by(CertificateRow.id))
    return {subject: der for subject, der in found if subject not in authorities and der is not None}


def above(session: Session, name: str) -> bytes | None:
    """Return an issuer's certificate and all that may stand above it, as a certs-only message (RFC 5280 §4.2.2.1)."""
    issuer = issuers.load(session, name)
    if issuer is None:
        return None
    everyone = [one.certificate for one in issuers.load_all(session)]
    everyone += [x509.load_der_x509_certificate(der) for der in links(session).values()]
    found, wanted = [issuer.certificate], [issuer.certificate]
    while wanted:
        below = wanted.pop()
        for one in everyone:
            if one.subject == below.issuer and one not in found:
                found.append(one)
                wanted.append(one)
    return pkcs7.serialize_certificates(found, Encoding.DER)


def _is_root(issuer: Issuer) -> bool:
    return issuer.certificate.issuer == issuer.certificate.subject
