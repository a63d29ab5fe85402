"""A built house without doors: ceremony held, an office registered, everything that redeems, ends and tells status.

`build_house(database, tmp_path, clock)` makes one, `house.new_codes()` gives terminals and their codes, `new_request()`
a terminal's key, and `house.redemption.redeem(codes, request.pem, SOURCE)` a certificate.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from ca import ceremony, issuers
from ca.authority import Authority
from ca.crl import CrlPublisher
from ca.issuers import Issuer, SigningIssuer
from ca.ocsp import Responder
from ca.ocsp_responses import Delegate
from ca.profiles import Addresses, ServerNames, TerminalProfile
from ca.timestamps import TimestampUnit
from enrollment import code_sets
from enrollment import codes as code_rules
from enrollment.codes import Codes
from enrollment.confirmations import Confirmations
from enrollment.ending import Endings
from enrollment.id_notices import IdNotices
from enrollment.logon import LogonCheck
from enrollment.own_state import OwnStates
from enrollment.preparation import CodePreparation
from enrollment.redemption import Redemption, Retrieved
from enrollment.reissue import ReissuePreparation, Reissues
from enrollment.renewal import Renewal
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from keys.codes import CodeHasher, Opener, Sealer
from keys.custody import KeyAlgorithm, SoftwareKeys
from registry import terminals
from registry.applicants import Contact
from registry.contracts import ContractEntry
from registry.letters import Letters
from registry.offices import Company, OfficeEntry
from registry.registration import Offices
from registry.states import DeviceClass, SystemClass
from registry.terminals import Takeover
from tests.support.recorded import recorded

PASSPHRASE = b"a passphrase for tests"
HASHING = b"a secret of thirty-two octets ..."
STATUS_URL = "http://localhost:8080"
POLICY_OID = "1.3.6.1.4.1.32473.1.1"  # RFC 5612's number for examples
TIMESTAMP_POLICY_OID = "1.3.6.1.4.1.32473.1.2"
SAN_PREFIX = "tag:example.jp,2026:terminal:"
OFFICE = "NAC001"
APPROVER, PREPARER, SECURITY = audit.staff("review"), audit.staff("issuing"), audit.staff("security")
SOURCE = "192.0.2.1"


@dataclass(frozen=True)
class Request:
    """A terminal's key and its certification request."""

    key: CertificateIssuerPrivateKeyTypes
    pem: bytes


@dataclass(frozen=True)
class House:
    """What `build_house` made. `keys` is the custody's folder; `crl_folder` is where CRLs are published."""

    database: Database
    clock: Clock
    keys: SoftwareKeys
    crl_folder: Path
    plan: ceremony.Plan
    hasher: CodeHasher
    sealer: Sealer
    opener: Opener
    profile: TerminalProfile
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(99999, -1), repr=False)

    @cached_property
    def root(self) -> Issuer:
        """The root's certificate."""
        return self._issuer(ceremony.ROOT)

    @cached_property
    def issuing(self) -> SigningIssuer:
        """The issuing CA with its key."""
        return self._signing(ceremony.ISSUING)

    @cached_property
    def authority(self) -> Authority:
        """What issues terminal certificates."""
        return Authority(self.issuing, self.profile)

    @cached_property
    def redemption(self) -> Redemption:
        """The one redemption function."""
        return Redemption(self.database, self.clock, self.authority, self.hasher)

    @cached_property
    def renewal(self) -> Renewal:
        """The one renewal function."""
        return Renewal(self.database, self.clock, self.authority)

    @cached_property
    def confirmations(self) -> Confirmations:
        """What takes a terminal's word about its new certificate."""
        return Confirmations(self.database, self.clock)

    @cached_property
    def reissues(self) -> Reissues:
        """What takes and decides requests for reissues."""
        return Reissues(self.database, self.clock)

    @cached_property
    def reissue_preparation(self) -> ReissuePreparation:
        """What makes the codes of reissues."""
        return ReissuePreparation(self.preparation)

    @cached_property
    def own_states(self) -> OwnStates:
        """What tells terminals of themselves."""
        return OwnStates(self.database, self.clock)

    @cached_property
    def preparation(self) -> CodePreparation:
        """What makes codes."""
        return CodePreparation(self.database, self.clock, self.hasher, self.sealer, Letters("https://localhost:8443"))

    @cached_property
    def notices(self) -> IdNotices:
        """What shows codes."""
        return IdNotices(self.database, self.clock, self.opener)

    @cached_property
    def endings(self) -> Endings:
        """What revokes, suspends, resumes, abolishes."""
        return Endings(self.database, self.clock)

    @cached_property
    def logon(self) -> LogonCheck:
        """The logon check."""
        return LogonCheck(self.database, self.clock, self.hasher)

    @cached_property
    def responder(self) -> Responder:
        """The OCSP responder of the issuing CA."""
        der = ceremony.service_certificate(self.database, ceremony.RESPONDER)
        key = _elliptic(self.keys, ceremony.RESPONDER)
        delegate = Delegate(self.issuing.issuer, x509.load_der_x509_certificate(der), key)
        return Responder(self.database, [delegate])

    @cached_property
    def timestamps(self) -> TimestampUnit:
        """The time-stamping unit."""
        der = ceremony.service_certificate(self.database, ceremony.TIMESTAMP)
        key, chain = self.keys.open_signing(ceremony.TIMESTAMP), (self.issuing.issuer.certificate,)
        return TimestampUnit(x509.load_der_x509_certificate(der), chain, key, TIMESTAMP_POLICY_OID)

    @cached_property
    def crl(self) -> CrlPublisher:
        """The publisher of the issuing CA's CRL."""
        return CrlPublisher(self.database, self.issuing, self.crl_folder)

    def new_terminals(self, count: int = 1, *, start_date: date | None = None) -> list[str]:
        """Register pending terminals of the office and return their names; they start today unless said."""
        names = [f"{next(self._numbers):05}W" for _ in range(count)]
        now = self.clock.now()
        with self.database.transaction() as session:
            for name in names:
                takeover = Takeover(name, OFFICE, SystemClass.SEA, DeviceClass.WEB, start_date or tokyo_date(now))
                terminals.register_existing(session, takeover, now=now)
        return names

    def new_codes(self, terminal_count: int = 1, *, start_date: date | None = None) -> list[tuple[str, Codes]]:
        """Register terminals, prepare their codes and return both, as the customer will read them."""
        names = self.new_terminals(terminal_count, start_date=start_date)
        for name in names:
            self.preparation.prepare_existing(name, APPROVER, PREPARER)
        return [(name, self.codes_of(name)) for name in names]

    def codes_of(self, terminal: str) -> Codes:
        """Return a terminal's open codes."""
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal)
            if row is None or row.sealed is None:
                raise LookupError(terminal)
            sealed, code_set_id, office_code = row.sealed, row.id, row.office_code
        return code_rules.unseal(self.opener, sealed, code_set_id=code_set_id, terminal=terminal, office_code=office_code)

    def code_set_rows(self, terminal: str) -> list[CodeSetRow]:
        """Return a terminal's code sets as they are stored, oldest first."""
        with self.database.snapshot() as session:
            query = select(CodeSetRow).where(CodeSetRow.terminal == terminal)
            return list(session.scalars(query.order_by(CodeSetRow.prepared_at, CodeSetRow.id)))

    def issue(self, *, start_date: date | None = None, request: Request | None = None) -> Retrieved:
        """Take a new terminal all the way to its certificate."""
        [(_, codes)] = self.new_codes(start_date=start_date)
        return self.redemption.redeem(codes, (request or new_request()).pem, SOURCE)

    def _issuer(self, name: str) -> Issuer:
        with self.database.snapshot() as session:
            issuer = issuers.load(session, name)
        if issuer is None:
            raise LookupError(name)
        return issuer

    def _signing(self, name: str) -> SigningIssuer:
        return SigningIssuer(self._issuer(name), _elliptic(self.keys, name))


def build_house(
    database: Database, folder: Path, clock: Clock, *, status_url: str = STATUS_URL, keys: SoftwareKeys | None = None
) -> House:
    """Hold the ceremony and register company NAC with office NAC001; `folder` gets published CRLs and, unless given, keys."""
    taken_over = keys is None
    keys = keys or SoftwareKeys(folder / "keys", PASSPHRASE)
    addresses = Addresses(status_url)
    doors = {"retrieval": ServerNames(("localhost",)), "terminals": ServerNames(("localhost",))}
    plan = ceremony.usual_plan("Tegata Trial Network", addresses, doors, folder / "published")

    def found() -> None:
        ceremony.Ceremony(database, keys, plan).hold(clock.now())
        keys.create("sealing", KeyAlgorithm.X25519)
        Offices(database, clock).register(company(), office(), contract(), actor=audit.operator())

    if taken_over:
        what, folders = ("usual house", status_url, clock.now()), (keys.folder, plan.crl_folder)
        recorded(what, database, folders, found)
    else:
        found()
    opener = Opener(keys.open_sealing("sealing"))
    return House(
        database=database,
        clock=clock,
        keys=keys,
        crl_folder=plan.crl_folder,
        plan=plan,
        hasher=CodeHasher(HASHING),
        sealer=Sealer(opener.private_key.public_key()),
        opener=opener,
        profile=TerminalProfile(POLICY_OID, SAN_PREFIX, addresses),
    )


def new_request(key: CertificateIssuerPrivateKeyTypes | None = None) -> Request:
    """Return a certification request of a key, by default of a new one on P-256."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    algorithm = hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) or hasattr(key, "private_numbers") else None
    return Request(key, builder.sign(key, algorithm).public_bytes(Encoding.PEM))


def company() -> Company:
    """Return the company that owns the office."""
    return Company("NAC", "ナックス商事株式会社", "NAC Trading Co., Ltd.", "1050001", "東京都港区虎ノ門１－２－３", "0312345678")


def office(code: str = OFFICE) -> OfficeEntry:
    """Return an office of the company."""
    return OfficeEntry(
        code=code,
        name="東京営業所",
        postal_code="1050001",
        address="東京都港区虎ノ門１－２－３",
        phone="0312345678",
        fax="",
        customs_office="東京税関",
        billing_code="1234567",
        administrator=Contact("通関", "花子", "ツウカン", "ハナコ", "業務部", "", "0312345678", "", "hanako@example.jp"),
    )


def contract() -> ContractEntry:
    """Return the office's contract."""
    return ContractEntry(
        contractor_name="通関　太郎",
        contractor_title="代表取締役",
        billing_name="ナックス商事株式会社",
        billing_postal_code="1050001",
        billing_address="東京都港区虎ノ門１－２－３",
        billing_contact="経理部",
        billing_phone="0312345678",
        signed_on=date(2020, 4, 1),
    )


def _elliptic(keys: SoftwareKeys, name: str) -> ec.EllipticCurvePrivateKey:
    key = keys.open(name)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(name)
    return key
