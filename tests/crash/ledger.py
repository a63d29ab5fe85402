"""What must hold whatever was cut off where: the checks of every crash test, on the database and on what clients got.

Each check yields sentences about what is broken; an empty list is a sound house. `test_planted_bugs` shows that they speak.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from ca.certificates import CertificateState, serial_text
from ca.tables import CertificateRow
from enrollment.code_sets import CodeSetState
from enrollment.codes import Codes
from enrollment.redemption import Redemption, Retrieved
from enrollment.successions import RenewalState
from enrollment.tables import CodeSetRow, CredentialRow, RenewalRow
from kernel import audit
from kernel.audit import AuditEntry
from kernel.errors import Refused, Unavailable
from tests.support.house import SOURCE, House, Request

CHECKPOINT_KEY = Ed25519PrivateKey.generate()
# A certificate in one of these states was stored with its signature.
STORED = (CertificateState.VALID, CertificateState.HELD, CertificateState.REVOKED)


# What is on record of a certificate, once, in which states.
DEEDS = {
    "certificate.reserve": tuple(CertificateState),
    "certificate.issue": STORED,
    "certificate.abandon": (CertificateState.ABANDONED,),
    "certificate.revoke": (CertificateState.REVOKED,),
}


@dataclass(frozen=True)
class Received:
    """A certificate that a client holds: for which terminal, by which of the rivals (any name), the octets."""

    terminal: str
    rival: int
    der: bytes


def faults(house: House, received: Sequence[Received]) -> list[str]:
    """Return everything that is broken; seals the audit log and publishes the CRL to look at them, too."""
    with house.database.snapshot() as session:
        certificates = session.scalars(select(CertificateRow).where(CertificateRow.kind == "terminal")).all()
        code_sets = session.scalars(select(CodeSetRow)).all()
        credentials = session.scalars(select(CredentialRow)).all()
        renewals = session.scalars(select(RenewalRow)).all()
    return [
        *_of_clients(received),
        *_of_unknown(received, {(row.issuer, row.serial): row for row in certificates}, house),
        *_of_code_sets(code_sets, renewals, certificates),
        *_of_renewals(renewals, certificates),
        *_of_credentials(credentials, renewals, certificates),
        *_of_signatures(certificates, house),
        *_of_crl(certificates, house),
        *_of_log(certificates, house),
    ]


def burnt(redemption: Redemption, open_sets: Iterable[tuple[str, Codes]], rivals: Mapping[str, Sequence[Request]]) -> list[str]:
    """Return the code sets that none of their rivals can redeem any more.

    It redeems them to find out.
    """
    return [
        f"the codes of {terminal} are burnt" for terminal, codes in open_sets if not _any(redemption, codes, rivals[terminal])
    ]


def received_by(rival: int, retrieved: Retrieved) -> Received:
    """Return what a client has after a redemption."""
    return Received(retrieved.terminal, rival, retrieved.certificate.der or b"")


def _any(redemption: Redemption, codes: Codes, requests: Sequence[Request]) -> Retrieved | None:
    for request in requests:
        try:
            return redemption.redeem(codes, request.pem, SOURCE)
        except (Refused, Unavailable):
            continue
    return None


def _of_clients(received: Sequence[Received]) -> Iterator[str]:
    of_terminal: dict[str, set[bytes]] = defaultdict(set)
    rivals: dict[str, set[int]] = defaultdict(set)
    for one in received:
        of_terminal[one.terminal].add(one.der)
        rivals[one.terminal].add(one.rival)
    for terminal, answers in of_terminal.items():
        if len(answers) > 1:
            yield f"the codes of {terminal} yielded {len(answers)} certificates to clients"
        if len(rivals[terminal]) > 1:
            yield f"{len(rivals[terminal])} keys got a certificate for the codes of {terminal}"


def _of_unknown(received: Sequence[Received], rows: Mapping[tuple[str, str], CertificateRow], house: House) -> Iterator[str]:
    for one in set(received):
        certificate = x509.load_der_x509_certificate(one.der)
        row = rows.get((house.issuing.issuer.name, serial_text(certificate.serial_number)))
        if row is None or row.der is None:
            yield f"a client of {one.terminal} holds a certificate that is not stored"
        elif row.der != one.der:
            yield f"a client of {one.terminal} holds other octets than are stored"
        elif row.state not in STORED:
            yield f"a client of {one.terminal} holds a certificate that is {row.state}"


def _of_code_sets(
    code_sets: Sequence[CodeSetRow], renewals: Sequence[RenewalRow], everything: Sequence[CertificateRow]
) -> Iterator[str]:
    """One code set, at most one certificate: what `redeemed` and `claimed` promise, and nothing beside it but renewals."""
    renewed = {(row.issuer, row.serial) for row in renewals}
    certificates = [row for row in everything if (row.issuer, row.serial) not in renewed]
    by_serial = {(row.issuer, row.serial): row for row in certificates}
    sets_of = Counter(row.terminal for row in code_sets if row.state == CodeSetState.REDEEMED)
    stored = Counter(row.subject for row in certificates if row.state in STORED)
    reserved = Counter(row.subject for row in certificates if row.state == CertificateState.RESERVED)
    claims = Counter(row.terminal for row in code_sets if row.state == CodeSetState.CLAIMED)
    for terminal in {row.terminal for row in code_sets}:
        if stored[terminal] != sets_of[terminal]:
            yield f"{terminal} has {stored[terminal]} certificates for {sets_of[terminal]} redeemed code sets"
        if reserved[terminal] != claims[terminal]:
            yield f"{terminal} has {reserved[terminal]} reserved certificates for {claims[terminal]} claimed code sets"
    for row in code_sets:
        certificate = by_serial.get((row.issuer or "", row.serial or ""))
        expected = {CodeSetState.REDEEMED: STORED, CodeSetState.CLAIMED: (CertificateState.RESERVED,)}
        wanted = expected.get(CodeSetState(row.state), ())
        if wanted and (certificate is None or certificate.state not in wanted or certificate.spki_sha256 != row.claimed_key):
            yield f"the code set of {row.terminal} is {row.state}, but its certificate is not"


def _of_renewals(renewals: Sequence[RenewalRow], certificates: Sequence[CertificateRow]) -> Iterator[str]:
    """One renewal, one certificate, in the state that the renewal's says, on the renewal's key."""
    by_serial = {(row.issuer, row.serial): row for row in certificates}
    for row in renewals:
        certificate = by_serial.get((row.issuer, row.serial))
        wanted = {RenewalState.CLAIMED: CertificateState.RESERVED, RenewalState.ABANDONED: CertificateState.ABANDONED}
        states = (wanted[RenewalState(row.state)],) if RenewalState(row.state) in wanted else STORED
        if certificate is None or certificate.state not in states or certificate.spki_sha256 != row.spki_sha256:
            yield f"the renewal of {row.terminal} is {row.state}, but its certificate is not"


def _of_credentials(
    credentials: Sequence[CredentialRow], renewals: Sequence[RenewalRow], certificates: Sequence[CertificateRow]
) -> Iterator[str]:
    current = {(row.issuer, row.serial) for row in credentials}
    beside = {(row.issuer, row.serial) for row in renewals if row.state == RenewalState.AWAITING}
    beside |= {(row.predecessor_issuer, row.predecessor) for row in renewals if row.state == RenewalState.ISSUED}
    good = (CertificateState.VALID, CertificateState.HELD)
    alone = [row for row in certificates if row.state in good and (row.issuer, row.serial) not in beside]
    for row in alone:
        if (row.issuer, row.serial) not in current:
            yield f"{row.subject} has a {row.state} certificate that is not its current one"
    for terminal, count in Counter(row.subject for row in alone).items():
        if count > 1:
            yield f"{terminal} has {count} good certificates"


def _of_signatures(certificates: Sequence[CertificateRow], house: House) -> Iterator[str]:
    issuer = house.issuing.issuer.certificate
    for row in certificates:
        if row.der is None:
            continue
        certificate = x509.load_der_x509_certificate(row.der)
        if certificate.tbs_certificate_bytes != row.tbs:
            yield f"what was signed for {row.subject} is not what was stored"
        try:
            certificate.verify_directly_issued_by(issuer)
        except InvalidSignature:
            yield f"the signature in the certificate of {row.subject} is wrong"


def _of_crl(certificates: Sequence[CertificateRow], house: House) -> Iterator[str]:
    house.crl.publish_if_due(house.clock.now())
    crl = x509.load_der_x509_crl(house.crl.file.read_bytes())
    listed = {serial_text(entry.serial_number) for entry in crl}
    for row in certificates:
        ended = row.state in (CertificateState.ABANDONED, CertificateState.REVOKED, CertificateState.HELD)
        if ended != (row.serial in listed):
            yield f"a {row.state} certificate of {row.subject} is {'not ' if ended else ''}on the CRL"


def _of_log(certificates: Sequence[CertificateRow], house: House) -> Iterator[str]:
    public = CHECKPOINT_KEY.public_key()
    signer = audit.CheckpointSigner("localhost:8080", public.public_bytes_raw(), CHECKPOINT_KEY.sign)
    audit.seal(house.database, signer, now=house.clock.now())
    yield from audit.verify(house.database, public.verify)
    with house.database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action.in_(DEEDS)))
        deeds = Counter((entry.action, entry.facts["serial"]) for entry in entries)
    for row in certificates:
        for action, states in DEEDS.items():
            if deeds[action, row.serial] != (row.state in states):
                yield f"the log tells {deeds[action, row.serial]} times of a {row.state} certificate of {row.subject}: {action}"
