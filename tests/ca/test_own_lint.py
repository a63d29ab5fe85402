"""Nothing of our own is signed that a rule or pkilint objects to; what is objected to is on record, and said."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select, update

from ca import linting
from ca.ceremony import Promise, issue, service
from ca.issuers import SigningIssuer
from ca.own_lint import OwnLintError
from ca.own_profiles import of_authority, of_service
from ca.plan import ROOT_CRL, YEAR, AuthorityPlan, Plan, ServiceKind, ServicePlan
from ca.profile_history import ProfileRow
from ca.profiles import BACKDATING, Addresses, ServerNames, Validity, authority_builder
from ca.service_profiles import service_builder
from ca.signing import assemble, certify, to_be_signed
from ca.tables import CertificateRow
from kernel.audit import AuditEntry
from kernel.database import connect
from kernel.errors import Unavailable
from keys.algorithms import ALGORITHMS, SigningKey, VerifyingKey
from tests.ca.test_ceremony_renewal import SERVICES, SOON, _Gone, renewals_of
from tests.ca.test_ceremony_rollover import hold
from tests.conftest import FreshDatabase
from tests.support.clock import SettableClock
from tests.support.house import House, build_house


@pytest.fixture
def house(sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock) -> Iterator[House]:
    """Return a house on one kind of database: what is linted does not depend on it."""
    with sqlite_databases() as url:
        database = connect(url)
        yield build_house(database, tmp_path, clock)
        database.dispose()


def findings(house: House) -> list[tuple[str, str]]:
    with house.database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "certificate.lint").order_by(AuditEntry.id))
        return [(entry.subject, str(entry.facts["findings"])) for entry in entries]


def rows_of(house: House, name: str) -> list[CertificateRow]:
    with house.database.snapshot() as session:
        return list(session.scalars(select(CertificateRow).where(CertificateRow.subject == name).order_by(CertificateRow.id)))


def added(plan: Plan, *services: ServicePlan) -> Plan:
    return dataclasses.replace(plan, services=(*plan.services, *services))


TRIAL = Plan("Tegata Trial Network", Addresses("http://status.example.jp"), (), (), Path("x")).name_of("Trial Root 9")
PLANNED = {
    "pkix.invalid_email_address_syntax": ServicePlan(
        "post", ServiceKind.MAIL, "Center", "p256", 1, "issuing-1", mail="a..b@example.jp"
    ),
    "pkix.invalid_domain_name_syntax": ServicePlan(
        "tls-post", ServiceKind.SERVER, "a-.example.jp", "p256", 1, "issuing-1", names=ServerNames(("a-.example.jp",))
    ),
}


@pytest.mark.parametrize("code", PLANNED)
def test_a_ceremony_that_pkilint_objects_to_signs_nothing_of_it_and_goes_on_once_it_is_mended(house: House, code: str) -> None:
    wrong = PLANNED[code]
    with pytest.raises(OwnLintError) as refusal:
        hold(house, added(house.plan, wrong))
    assert str(refusal.value).startswith(f"the certificate of {wrong.name} was not signed, for it would not be as it must be: ")
    assert code in str(refusal.value)
    assert rows_of(house, wrong.name) == []
    [(subject, told)] = findings(house)
    assert subject == f"service:{wrong.name}"
    assert code in told
    mended = dataclasses.replace(
        wrong, mail=wrong.mail and "a.b@example.jp", names=wrong.names and ServerNames(("a.example.jp",))
    )
    assert hold(
        house,
        added(house.plan, dataclasses.replace(mended, common_name=mended.names.host_names[0] if mended.names else "Center")),
    )
    assert service(house.database, wrong.name).certificate


def _wrong_root(key: SigningKey, validity: Validity) -> x509.CertificateBuilder:
    """Describe a root whose path may be no longer than three, which our profile does not say."""
    good = authority_builder(TRIAL, key.public_key(), validity, None, Addresses("http://status.example.jp"))
    kept = [one for one in good._extensions if not isinstance(one.value, x509.BasicConstraints)]  # noqa: SLF001 (there is no public way)
    good._extensions = kept  # noqa: SLF001
    return good.add_extension(x509.BasicConstraints(ca=True, path_length=3), critical=True)


@pytest.mark.parametrize("is_wrong", [True, False])
def test_a_root_is_linted_before_it_signs_itself(house: House, *, is_wrong: bool) -> None:
    key, now = ALGORITHMS["p256"].generate(), house.clock.now()
    authority = AuthorityPlan("root-9", "Trial Root 9", "p256", 20, None, *ROOT_CRL)
    validity = Validity(now - BACKDATING, now - BACKDATING + 20 * YEAR)
    builder = _wrong_root(key, validity)
    if not is_wrong:
        builder = authority_builder(TRIAL, key.public_key(), validity, None, house.plan.addresses)
    signed: list[bytes] = []

    def sign(tbs: bytes) -> bytes:
        signed.append(tbs)
        return assemble(tbs, ALGORITHMS["p256"].sign(key, tbs))

    public = key.public_key()
    assert isinstance(public, VerifyingKey)
    profile = of_authority(house.plan, authority)
    promise = Promise(profile, "root-9", lambda: to_be_signed(builder, public), sign)
    if is_wrong:
        with pytest.raises(OwnLintError, match="root-9 was not signed, for it would not be as it must be: basic_constraints"):
            issue(house.database, promise, now)
        assert (signed, rows_of(house, "root-9")) == ([], [])
        assert [subject for subject, _ in findings(house)] == ["service:root-9"]
    else:
        der = issue(house.database, promise, now)
        x509.load_der_x509_certificate(der).verify_directly_issued_by(x509.load_der_x509_certificate(der))


@dataclass
class Desk:
    """A promise whose composition can be spoilt, and which notes what it signed."""

    house: House
    changes: list[x509.ExtendedKeyUsage] = field(default_factory=list)
    signed: list[bytes] = field(default_factory=list)

    def promise(self) -> Promise:
        now, issuing = self.house.clock.now(), self.house.issuing.issuer
        plan = ServicePlan("post", ServiceKind.MAIL, "Center", "p256", 1, issuing.name, mail="a@example.jp")
        key = ALGORITHMS["p256"].generate().public_key()
        validity = Validity(now - BACKDATING, now - BACKDATING + YEAR)

        def compose() -> bytes:
            builder = service_builder(self.house.plan, plan, issuing, key, validity)
            for value in self.changes:
                kept = [one for one in builder._extensions if not isinstance(one.value, type(value))]  # noqa: SLF001 (there is no public way)
                builder._extensions = [*kept, x509.Extension(value.oid, critical=False, value=value)]  # noqa: SLF001
            return to_be_signed(builder, issuing.public_key)

        def sign(tbs: bytes) -> bytes:
            self.signed.append(tbs)
            return certify(tbs, self.house.issuing)

        return Promise(of_service(self.house.plan, plan), issuing.name, compose, sign)


def test_what_pkilint_passes_and_the_profile_does_not_is_not_signed(house: House) -> None:
    desk = Desk(house, changes=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])])
    with pytest.raises(OwnLintError, match="extended_key_usage is not the profile's"):
        issue(house.database, desk.promise(), house.clock.now())
    assert (desk.signed, rows_of(house, "post")) == ([], [])
    assert findings(house) == [("service:post", "extended_key_usage is not the profile's")]
    desk.changes.clear()
    der = issue(house.database, desk.promise(), house.clock.now())
    [row] = rows_of(house, "post")
    assert row.der == der
    assert desk.signed == [row.tbs]  # to the octet what was linted
    assert x509.load_der_x509_certificate(der).tbs_certificate_bytes == row.tbs


def test_what_was_promised_is_linted_again_before_it_is_signed(house: House, clock: SettableClock) -> None:
    clock.advance(SOON + timedelta(hours=1))
    gone = dataclasses.replace(house.issuing, key=_Gone(house.issuing.key))  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        dataclasses.replace(renewals_of(house), signer_of=lambda _issuer: gone).renew_due(clock.now())
    *_, promised = rows_of(house, "ocsp")
    assert promised.der is None
    usage = bytes.fromhex("04040302") + b"\x07\x80"  # digitalSignature
    spoilt = promised.tbs.replace(usage, bytes.fromhex("04040302") + b"\x06\x40")  # contentCommitment
    assert spoilt != promised.tbs
    for tbs, told in ((spoilt, 1), (promised.tbs, 0)):
        with house.database.transaction() as session:
            session.execute(update(CertificateRow).where(CertificateRow.id == promised.id).values(tbs=tbs))
        if told:
            with pytest.raises(OwnLintError, match=r"ocsp was not signed.*key_usage is not the profile's"):
                renewals_of(house).renew_due(clock.now())
            # What is wrong with one of them stops no other one.
            assert all(rows_of(house, name)[-1].der for name in SERVICES - {"ocsp"})
            assert rows_of(house, "ocsp")[-1].der is None
        else:
            assert renewals_of(house).renew_due(clock.now()) == 1
    assert [subject for subject, _ in findings(house)] == ["service:ocsp"]


def test_a_renewal_does_not_repeat_what_its_predecessor_says_wrongly(house: House, clock: SettableClock) -> None:
    old = rows_of(house, "documents")[-1]
    certificate = x509.load_der_x509_certificate(old.der or b"")
    wrong = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    builder = x509.CertificateBuilder(
        certificate.issuer,
        certificate.subject,
        certificate.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    for one in certificate.extensions:
        builder = builder.add_extension(
            wrong if isinstance(one.value, x509.ExtendedKeyUsage) else one.value, critical=one.critical
        )
    tbs = to_be_signed(builder, house.issuing.issuer.public_key)
    with house.database.transaction() as session:
        values = {"tbs": tbs, "der": certify(tbs, house.issuing)}
        session.execute(update(CertificateRow).where(CertificateRow.id == old.id).values(**values))
    clock.advance(SOON + timedelta(hours=1))
    for _ in range(2):  # the next hour finds the same, which is not recorded again
        with pytest.raises(OwnLintError, match="documents was not signed"):
            renewals_of(house).renew_due(clock.now())
    assert len(rows_of(house, "documents")) == 1
    assert all(len(rows_of(house, name)) == 2 for name in SERVICES - {"documents"})
    assert findings(house) == [("service:documents", "extended_key_usage is not the profile's")]


def test_without_a_profile_or_with_one_that_was_changed_nothing_is_renewed(house: House, clock: SettableClock) -> None:
    clock.advance(SOON + timedelta(hours=1))
    with house.database.transaction() as session:
        changed = update(ProfileRow).where(ProfileRow.name == rows_of(house, "cmp")[-1].profile)
        session.execute(changed.values(content=ProfileRow.content + " "))
    with pytest.raises(LookupError, match="nobody knows by which profile the certificate of cmp was made"):
        renewals_of(house).renew_due(clock.now())
    assert len(rows_of(house, "cmp")) == 1


def test_what_is_signed_is_what_was_linted_or_it_is_not_stored(house: House) -> None:
    desk, other = Desk(house), Desk(house)
    promise = desk.promise()
    with pytest.raises(ValueError, match="what was signed for post is not what was linted"):
        issue(
            house.database,
            dataclasses.replace(promise, sign=lambda _: promise.sign(other.promise().compose())),
            house.clock.now(),
        )
    [row] = rows_of(house, "post")
    assert (row.der, row.state) == (None, "reserved")


def test_a_signature_that_is_none_does_not_leave(house: House) -> None:
    class Faulty:
        def public_key(self) -> object:
            return house.issuing.key.public_key()

        def sign(self, *_: object) -> bytes:
            return ALGORITHMS["p256"].sign(ALGORITHMS["p256"].generate(), b"something else")

    faulty = SigningIssuer(house.issuing.issuer, Faulty())  # type: ignore[arg-type]
    promise = Desk(house).promise()
    with pytest.raises(Exception, match=r"^$"):  # InvalidSignature says nothing
        issue(house.database, dataclasses.replace(promise, sign=lambda tbs: certify(tbs, faulty)), house.clock.now())
    assert rows_of(house, "post")[-1].der is None


def test_hosts_without_a_domain_are_by_design_and_nothing_else_is() -> None:
    profile = of_service(
        Plan("Trial", Addresses("http://status.example.jp"), (), (), Path("x")),
        ServicePlan(
            "tls-x", ServiceKind.SERVER, "gate", "p256", 1, "issuing-1", names=ServerNames(("gate", "a-.example.jp", "9"))
        ),
    )
    allowed = {message for code, message in linting.by_design_of_ours([profile]) if code == "pkix.invalid_domain_name_syntax"}
    assert allowed == {'Invalid domain name syntax: "localhost"', 'Invalid domain name syntax: "gate"'}
    mail = dataclasses.replace(profile, hosts=(), mail="post@gate")
    assert ("pkix.invalid_email_address_syntax", 'Invalid e-mail address syntax: "post@gate"') in linting.by_design_of_ours(
        [mail]
    )
    twice = dataclasses.replace(mail, mail="a..b@gate")
    assert all(code != "pkix.invalid_email_address_syntax" for code, _ in linting.by_design_of_ours([twice]))
