"""What signs the documents, for the jobs: the signer's key and certificate of the day, and proofs that nobody was revoked."""

from datetime import datetime

from cryptography import x509

from ca import certificates, crl, hierarchy, issuers
from ca.issuers import Issuer
from ca.ocsp import Responder
from ca.plan import DOCUMENTS
from ca.services import service
from enrollment.documents import evidence
from enrollment.documents.notices import ApprovalNotices, Equipment
from enrollment.documents.signing import DocumentSigner
from kernel.database import Database
from server.custody import Custody
from server.publishers import publisher_of
from server.responding import delegates_of
from server.settings import Settings
from server.stamping import timestamp_unit_of
from server.trouble import Trouble
from server.wiring import clock_of, home_of


def approval_notices_of(settings: Settings, database: Database) -> ApprovalNotices:
    """Return what makes approval notices; its keys are opened when there is something to sign, so renewed ones are found."""
    return ApprovalNotices(database, publisher_of(settings), lambda now: equipment_of(settings, database, now))


def equipment_of(settings: Settings, database: Database, now: datetime) -> Equipment:
    """Return what signs; raises Trouble when the ceremony was held without a signer of documents."""
    try:
        ours = service(database, DOCUMENTS)
    except LookupError as error:
        raise Trouble(f"{error}; a service of the kind document, named {DOCUMENTS}, belongs into the ceremony's file") from error
    unit = timestamp_unit_of(settings, database)
    certificate = x509.load_der_x509_certificate(ours.certificate)
    above, roots = _chain(database, ours.certificate, now)
    stamper = (unit.certificate, unit.chain[0])
    key = Custody(settings).expected(ours.key_name, certificate.public_key())
    chain = tuple(dict.fromkeys((*(one.certificate for one in above), *unit.chain)))
    signer = DocumentSigner(certificate, chain, tuple(root.certificate for root in roots), key, unit)
    responder = Responder(database, delegates_of(settings, database, clock_of(settings)))
    lists = [crl.crl_file(home_of(settings).published, root.name).read_bytes() for root in roots]
    proofs = evidence.gather(
        ((certificate, above[0].certificate), stamper), lists, lambda asked, at: responder.answer(asked, at).der, now
    )
    return Equipment(signer, proofs)


def _chain(database: Database, der: bytes, now: datetime) -> tuple[tuple[Issuer, ...], list[Issuer]]:
    with database.snapshot() as session:
        above = issuers.chain(session, certificates.identify(session, der).issuer or "")
        return above, hierarchy.roots(session, now)
