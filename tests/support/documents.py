"""What makes documents in a house: the signer of the day with its proofs, and the notices of approved applications."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import crl
from ca.plan import DOCUMENTS, TIMESTAMP
from ca.services import service
from ca.timestamps import TimestampUnit
from enrollment.documents import evidence
from enrollment.documents.facts import Publisher
from enrollment.documents.notices import ApprovalNotices, Equipment
from enrollment.documents.signing import DocumentSigner
from keys.custody import KeyStore
from tests.support.house import TIMESTAMP_POLICY_OID, House

PUBLISHER = Publisher("https://localhost:8443")


def equipment(house: House, now: datetime, keys: KeyStore | None = None) -> Equipment:
    """Return what signs in a house; `keys` keeps the signer's key where that is not the house's folder."""
    issuing, root = house.issuing.issuer.certificate, house.root.certificate
    ours, stamps = service(house.database, DOCUMENTS), service(house.database, TIMESTAMP)
    certificate, stamping = (x509.load_der_x509_certificate(one.certificate) for one in (ours, stamps))
    unit = TimestampUnit(stamping, (issuing,), house.keys.open_signing(stamps.key_name), TIMESTAMP_POLICY_OID)
    signer = DocumentSigner(certificate, (issuing,), (root,), (keys or house.keys).open_signing(ours.key_name), unit)
    lists = [crl.crl_file(house.crl_folder, house.root.name).read_bytes()]
    asked = ((certificate, issuing), (stamping, issuing))
    return Equipment(signer, evidence.gather(asked, lists, lambda der, at: house.responder.answer(der, at).der, now))


def notices(house: House) -> ApprovalNotices:
    """Return what makes the notices of a house."""
    return ApprovalNotices(house.database, PUBLISHER, lambda now: equipment(house, now))


def root_der(house: House) -> bytes:
    """Return the root's certificate, as examinations are given it."""
    return house.root.certificate.public_bytes(Encoding.DER)
