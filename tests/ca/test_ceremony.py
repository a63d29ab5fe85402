from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from sqlalchemy import event, select

from ca import ceremony, issuers
from ca.ceremony import Ceremony, Plan, server_key_name, service_certificate, usual_plan
from ca.certificates import CertificateState
from ca.issuers import Issuer, SigningIssuer
from ca.profiles import Addresses, ServerNames
from ca.tables import CertificateRow
from ca.yaml_lines import FileFault
from kernel.database import Database, connect
from keys.custody import CustodyKey, KeyAlgorithm, SoftwareKeys
from keys.trouble import KeyTroubleError
from tests.ca.trial import NOW
from tests.support.statements import sharing_statements

FreshDatabase = Callable[[], AbstractContextManager[str]]
DOORS = {"portal": ServerNames(("localhost", "portal.example.jp")), "center": ServerNames(("localhost",))}
SERVICES = {"root", "issuing-1", "ocsp", "timestamp", "cmp", "documents", "tls-portal", "tls-center"}


class CrashError(BaseException):
    """The power goes out."""


@dataclass
class Fuse:
    """Blows at the n-th step, once."""

    left: int
    steps: int = 0

    def burn(self) -> None:
        self.steps += 1
        self.left -= 1
        if self.left == 0:
            raise CrashError


@dataclass(frozen=True)
class FusedKeys(SoftwareKeys):
    """Custody that may fail before and after each key that it makes."""

    fuse: Fuse = field(default_factory=lambda: Fuse(0))

    def create(self, name: str, algorithm: KeyAlgorithm) -> CustodyKey:
        self.fuse.burn()
        key = super().create(name, algorithm)
        self.fuse.burn()
        return key


def _plan(folder: Path) -> Plan:
    return usual_plan("Trial Network", Addresses("http://status.example.jp"), DOORS, folder / "published")


def _ceremony(database: Database, folder: Path) -> Ceremony:
    return Ceremony(database, SoftwareKeys(folder / "keys", b"secret"), _plan(folder))


@contextmanager
def fused(database: Database, fuse: Fuse) -> Iterator[None]:
    """Burn at each transaction's beginning and just before each commit: before and after every durable step."""

    def burn(_connection: object) -> None:
        fuse.burn()

    for name in ("begin", "commit"):
        event.listen(database.engine, name, burn)
    try:
        yield
    finally:
        for name in ("begin", "commit"):
            event.remove(database.engine, name, burn)


def _survives(url: str, folder: Path, fuse: Fuse) -> bool:
    """Hold a ceremony until the fuse blows; return whether it came to its end. What is left is what a process leaves."""
    database = sharing_statements(connect(url))
    with fused(database, fuse):
        try:
            Ceremony(database, FusedKeys(folder / "keys", b"secret", fuse), _plan(folder)).hold(NOW)
        except CrashError:
            return False
        finally:
            database.dispose()
    return True


def _issuer(database: Database, name: str) -> Issuer:
    with database.snapshot() as session:
        issuer = issuers.load(session, name)
    assert issuer is not None
    return issuer


def _services(database: Database) -> list[CertificateRow]:
    with database.snapshot() as session:
        return list(session.scalars(select(CertificateRow).order_by(CertificateRow.id)))


def _assert_whole(database: Database, folder: Path) -> None:
    """Assert that everything is there once, belongs together, and lies where it is published."""
    rows = _services(database)
    assert sorted(row.subject for row in rows) == sorted(SERVICES)
    assert {row.state for row in rows} == {CertificateState.VALID}
    keys = SoftwareKeys(folder / "keys", b"secret")
    root, issuing = _issuer(database, "root"), _issuer(database, "issuing-1")
    root.certificate.verify_directly_issued_by(root.certificate)
    issuing.certificate.verify_directly_issued_by(root.certificate)
    for row in rows:
        certificate = x509.load_der_x509_certificate(row.der or b"")
        assert certificate.tbs_certificate_bytes == row.tbs
        assert certificate.public_key() == keys.open(row.subject).public_key()
        certificate.verify_directly_issued_by(root.certificate if row.issuer == "root" else issuing.certificate)
    for issuer in (root, issuing):
        crl = x509.load_der_x509_crl((folder / "published" / f"{issuer.name}.crl").read_bytes())
        assert crl.is_signature_valid(issuer.public_key)


def test_a_ceremony_founds_everything_once(database: Database, tmp_path: Path) -> None:
    assert _ceremony(database, tmp_path).hold(NOW)
    _assert_whole(database, tmp_path)


def test_held_again_it_changes_nothing(database: Database, tmp_path: Path) -> None:
    founding = _ceremony(database, tmp_path)
    founding.hold(NOW)
    files = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    before = [(row.serial, row.der) for row in _services(database)]
    assert not founding.hold(NOW + timedelta(hours=1))
    assert [(row.serial, row.der) for row in _services(database)] == before
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == files


def test_a_new_door_is_added_to_what_stands(database: Database, tmp_path: Path) -> None:
    _ceremony(database, tmp_path).hold(NOW)
    plan = usual_plan(
        "Trial Network", Addresses("http://status.example.jp"), DOORS | {"more": ServerNames(("more.example.jp",))}, tmp_path
    )
    assert Ceremony(database, SoftwareKeys(tmp_path / "keys", b"secret"), plan).hold(NOW)
    assert {row.subject for row in _services(database)} == SERVICES | {"tls-more"}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_cut_off_at_any_step_it_is_taken_up_where_it_stopped(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:  # fmt: skip
    fresh: FreshDatabase = request.getfixturevalue(f"{kind}_databases")
    step, is_over = 0, False
    while not is_over:
        step += 1
        folder = tmp_path / str(step)
        with fresh() as url:
            is_over = _survives(url, folder, Fuse(step))
            database = sharing_statements(connect(url))
            _ceremony(database, folder).hold(NOW)
            _assert_whole(database, folder)
            assert not _ceremony(database, folder).hold(NOW)
            database.dispose()
    assert step > 30  # five keys and certificates, two issuers, two lists: the harness did cut


def test_a_mismatching_key_does_not_load(database: Database, tmp_path: Path) -> None:
    _ceremony(database, tmp_path).hold(NOW)
    keys = SoftwareKeys(tmp_path / "keys", b"secret")
    keys.path("issuing-1").unlink()
    keys.create("issuing-1", KeyAlgorithm.P256)
    with pytest.raises(ValueError, match="does not match its certificate"):
        _ceremony(database, tmp_path).hold(NOW)
    key = keys.open("issuing-1")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with pytest.raises(ValueError, match="does not match its certificate"):
        SigningIssuer(_issuer(database, "issuing-1"), key)


def test_a_wrong_passphrase_founds_nothing(database: Database, tmp_path: Path) -> None:
    _ceremony(database, tmp_path).hold(NOW)
    with pytest.raises(KeyTroubleError, match="passphrase"):
        Ceremony(database, SoftwareKeys(tmp_path / "keys", b"other"), _plan(tmp_path)).hold(NOW)


def test_a_key_of_the_wrong_kind_is_told(database: Database, tmp_path: Path) -> None:
    SoftwareKeys(tmp_path / "keys", b"secret").create("root", KeyAlgorithm.ED25519)
    with pytest.raises(FileFault, match="root: there is a key of this name already, and it is of the kind ed25519"):
        _ceremony(database, tmp_path).hold(NOW)


def test_before_the_ceremony_there_are_no_services(database: Database) -> None:
    with pytest.raises(LookupError, match="ceremony"):
        service_certificate(database, ceremony.RESPONDER)


def test_the_hierarchy_says_what_each_part_may_do(database: Database, tmp_path: Path) -> None:
    _ceremony(database, tmp_path).hold(NOW)
    root, issuing = _issuer(database, "root").certificate, _issuer(database, "issuing-1").certificate
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        ca=True, path_length=None
    )
    assert issuing.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        ca=True, path_length=0
    )
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    responder = x509.load_der_x509_certificate(service_certificate(database, ceremony.RESPONDER))
    assert list(responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert responder.extensions.get_extension_for_oid(ExtensionOID.OCSP_NO_CHECK).critical is False
    portal = x509.load_der_x509_certificate(service_certificate(database, server_key_name("portal")))
    names = portal.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "portal.example.jp"]


def test_the_chain_is_told_without_the_root(database: Database, tmp_path: Path) -> None:
    _ceremony(database, tmp_path).hold(NOW)
    with database.snapshot() as session:
        assert [link.name for link in issuers.chain(session, "issuing-1")] == ["issuing-1"]
        assert issuers.chain(session, "root") == ()
        assert issuers.chain(session, "nobody") == ()
