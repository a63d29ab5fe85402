"""Our own certificates before the checker: each sort is clean as it was made, and one that says something else is found."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select, update

from ca.inspection import Period
from ca.issuers import SigningIssuer
from ca.plan import ROOT_CRL, AuthorityPlan, ServiceKind, ServicePlan
from ca.signing import certify, to_be_signed
from ca.tables import CertificateRow
from enrollment.checker import CertificateCheck
from kernel import audit
from kernel.audit import CheckpointSigner
from kernel.database import connect
from tests.ca.test_ceremony_renewal import SOON, renewals_of
from tests.ca.test_ceremony_rollover import hold, issuer_named, publish_all
from tests.conftest import FreshDatabase
from tests.support.clock import SettableClock
from tests.support.house import House, build_house

pytestmark = pytest.mark.slow
POST = ServicePlan("post", ServiceKind.MAIL, "Center", "p256", 1, "issuing-1", mail="a@example.jp")
REGISTRATION = ServicePlan("scep", ServiceKind.SCEP, "Registration", "rsa3072", 1, "issuing-1")
SECOND = AuthorityPlan("root-2", "Trial Root 2", "p384", 25, None, *ROOT_CRL, replaces="root")
SORTS = (
    *("root", "root-2", "root-2-by-root", "root-by-root-2", "issuing-1"),
    *("ocsp", "timestamp", "cmp", "documents", "scep", "post", "tls-retrieval"),
)


@pytest.fixture(scope="module")
def house(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return a house with a certificate of each sort, an hour after its ceremony; who changes it puts it right again."""
    with sqlite_databases() as url:
        database, clock = connect(url), SettableClock()
        made = build_house(database, tmp_path_factory.mktemp("ours"), clock)
        services, authorities = (*made.plan.services, POST, REGISTRATION), (*made.plan.authorities, SECOND)
        hold(made, dataclasses.replace(made.plan, services=services, authorities=authorities))
        made.crl.publish_if_due(clock.now())
        _seal(made)
        clock.advance(timedelta(hours=1))
        yield made
        database.dispose()


def _seal(house: House) -> None:
    key = Ed25519PrivateKey.generate()
    signer = CheckpointSigner("example.jp/log", key.public_key().public_bytes_raw(), key.sign)
    audit.seal(house.database, signer, now=house.clock.now())


def _found(house: House) -> dict[str, set[str]]:
    def ask(question: bytes) -> bytes:
        return house.responder.answer(question, house.clock.now()).der

    _, found = CertificateCheck(house.database, house.profile, house.crl_folder, ask).run(house.clock.now(), Period())
    return {one.subject: {other.code for other in found if other.subject == one.subject} for one in found}


def _row(house: House, name: str) -> CertificateRow:
    with house.database.snapshot() as session:
        query = select(CertificateRow).where(CertificateRow.subject == name).order_by(CertificateRow.id.desc())
        return session.scalars(query.limit(1)).one()


def _put(house: House, row: CertificateRow, **values: object) -> None:
    with house.database.transaction() as session:
        session.execute(update(CertificateRow).where(CertificateRow.id == row.id).values(**values))


Change = Callable[[x509.Extension[x509.ExtensionType]], x509.ExtensionType | None]


def _usage(one: x509.Extension[x509.ExtensionType]) -> x509.ExtensionType:
    if not isinstance(one.value, x509.KeyUsage):
        return one.value
    names = ("digital_signature", "content_commitment", "key_encipherment", "key_cert_sign", "crl_sign", "key_agreement")
    usages = {name: getattr(one.value, name) for name in names}
    usages["digital_signature"] |= usages["key_cert_sign"]
    usages["content_commitment"] ^= not usages["key_cert_sign"]
    return x509.KeyUsage(**usages, data_encipherment=False, encipher_only=False, decipher_only=False)


def _purpose(one: x509.Extension[x509.ExtensionType]) -> x509.ExtensionType:
    if isinstance(one.value, x509.ExtendedKeyUsage):
        return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    return x509.BasicConstraints(ca=True, path_length=5) if isinstance(one.value, x509.BasicConstraints) else one.value


def _signed_anew(house: House, row: CertificateRow, change: Change, longer: timedelta = timedelta()) -> dict[str, object]:
    """Return the columns of the same certificate, changed and really signed by its issuer."""
    old = x509.load_der_x509_certificate(row.der or b"")
    issuer = issuer_named(house, row.issuer)
    end = old.not_valid_after_utc + longer
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number, old.not_valid_before_utc, end)
    for one in old.extensions:
        value = change(one)
        builder = builder if value is None else builder.add_extension(value, critical=one.critical)
    tbs = to_be_signed(builder, issuer.public_key)
    der = certify(tbs, SigningIssuer(issuer, house.keys.open_signing(issuer.key_name)))
    return {"tbs": tbs, "der": der, "not_after": end}


def test_each_sort_is_without_finding_as_it_was_made(house: House) -> None:
    assert _found(house) == {}


@pytest.mark.parametrize("name", SORTS)
def test_a_certificate_that_says_something_else_than_its_kind_is_found(house: House, name: str) -> None:
    row = _row(house, name)
    good = {"tbs": row.tbs, "der": row.der, "not_after": row.not_after}
    for change, longer in ((_usage, timedelta()), (_purpose, timedelta()), (lambda one: one.value, timedelta(days=-1))):
        _put(house, row, **_signed_anew(house, row, change, longer))
        told = _found(house)
        _put(house, row, **good)
        assert set(told) == {name}
        assert "profile" in told[name]
        assert told[name] <= {"profile", "lint"}


def test_a_certificate_with_anothers_profile_or_none_is_found(house: House) -> None:
    row, other = _row(house, "cmp"), _row(house, "timestamp")
    for profile, code in ((None, "profile-unknown"), (other.profile, "profile"), ("0" * 16, "profile-unknown")):
        _put(house, row, profile=profile)
        assert _found(house) == {"cmp": {code}}
    _put(house, row, profile=row.profile)


def test_what_was_renewed_is_without_finding_too(
    sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock
) -> None:  # fmt: skip
    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path, clock)
        clock.advance(SOON + timedelta(hours=1))
        assert renewals_of(house).renew_due(clock.now())
        publish_all(house)
        hold(house, house.plan)  # the root's list
        _seal(house)
        clock.advance(timedelta(hours=1))
        assert _found(house) == {}
        database.dispose()
