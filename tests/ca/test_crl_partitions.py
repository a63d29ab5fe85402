"""Partitioned and delta lists: who stands where, what relying parties are told, and when which list appears."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from pkilint import loader, pkix
from pkilint.pkix import crl as crl_rules
from pkilint.pkix import extension, name
from pkilint.validation import ValidationFindingSeverity
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ca import authority, crl_entries, linting, revocation
from ca.certificates import CertificateRecord
from ca.crl import ClockBehindError, CrlPublisher, crl_file, number_of
from ca.crl_drafts import ListFaultError
from ca.profiles import Subject
from ca.revocation import Reason
from ca.tables import CertificateRow, CrlEntryRow, CrlRow, IssuerRow
from kernel.clock import tokyo_date
from tests.ca.issuance import new_key, read
from tests.interop.programs import Runner
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, House

SIZE = 4
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def house(house: House) -> House:
    """Return a house whose status door has a name that linters take."""
    addresses = replace(house.profile.addresses, status_url="http://status.example.jp")
    house = replace(house, profile=replace(house.profile, addresses=addresses, partition_size=SIZE, delta=True))
    number = 90_000
    while _newest(house) % SIZE:  # so that the next certificate begins a partition
        _issue(house, number := number + 1)
    return house


@pytest.fixture
def publisher(house: House) -> CrlPublisher:
    made = CrlPublisher(
        house.database, house.issuing, house.crl_folder, addresses=house.profile.addresses, partition_size=SIZE, delta=True
    )
    made.publish_if_due(house.clock.now())
    return made


def _newest(house: House) -> int:
    with house.database.snapshot() as session:
        return session.scalars(select(func.max(CertificateRow.id))).one()


def _issue(house: House, number: int) -> CertificateRecord:
    """Return a certificate that names the open partition."""
    now = house.clock.now()
    issuing = authority.Authority(house.issuing, house.profile)
    with house.database.snapshot() as session:
        partition = issuing.partition(session)
    draft = issuing.draft(new_key(), Subject(f"{number:05}A", OFFICE, "NAC"), tokyo_date(now), now, partition=partition)
    with house.database.transaction() as session:
        reserved = issuing.reserve(session, draft, now)
    der = issuing.sign(reserved)
    with house.database.transaction() as session:
        authority.complete(session, reserved.issuer, reserved.serial, der, now)
    return read(house, reserved)


def _certificate(record: CertificateRecord) -> x509.Certificate:
    return x509.load_der_x509_certificate(record.der or b"")


def _address(record: CertificateRecord) -> str:
    [point] = _certificate(record).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    address: str = point.full_name[0].value
    return address


def _list(folder: Path, address: str) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl((folder / address.rpartition("/")[2]).read_bytes())


def _revoke(house: House, *records: CertificateRecord) -> None:
    with house.database.transaction() as session:
        for record in records:
            revocation.revoke(session, record.issuer, record.serial, reason=Reason.KEY_COMPROMISE, now=house.clock.now())


def _serials(crl: x509.CertificateRevocationList) -> set[str]:
    return {f"{entry.serial_number:x}" for entry in crl}


def test_each_certificate_names_the_partition_that_lists_it(house: House, publisher: CrlPublisher) -> None:
    issued = [_issue(house, number) for number in range(2 * SIZE + 1)]
    publisher.publish_if_due(house.clock.now())
    _revoke(house, *issued)
    publisher.publish_if_due(house.clock.now())
    assert len({_address(record) for record in issued}) == 3
    for record in issued:
        crl = _list(house.crl_folder, _address(record))
        assert record.serial in _serials(crl)
        assert len(crl) <= SIZE
        scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
        assert scope.critical
        assert scope.value.only_contains_user_certs
        assert scope.value.full_name == [x509.UniformResourceIdentifier(_address(record))]
    complete = _list(house.crl_folder, "issuing-1.crl")
    assert _serials(complete) == {record.serial for record in issued}
    with pytest.raises(x509.ExtensionNotFound):
        complete.extensions.get_extension_for_oid(ExtensionOID.ISSUING_DISTRIBUTION_POINT)


def test_only_the_lists_that_changed_are_made_again(house: House, publisher: CrlPublisher) -> None:
    issued = [_issue(house, number) for number in range(2 * SIZE)]
    publisher.publish_if_due(house.clock.now())
    numbers = {file.name: number_of(_list(house.crl_folder, file.name)) for file in house.crl_folder.glob("*.crl")}
    _revoke(house, issued[0])
    publisher.publish_if_due(house.clock.now())
    after = {file.name: number_of(_list(house.crl_folder, file.name)) for file in house.crl_folder.glob("*.crl")}
    touched = _address(issued[0]).rpartition("/")[2].removesuffix(".crl")
    changed = {name for name, number in after.items() if numbers.get(name) != number}
    assert changed == {f"{stem}{end}.crl" for stem in ("issuing-1", touched) for end in ("", ".delta")}


def test_a_partition_is_served_before_its_first_certificate(house: House, publisher: CrlPublisher) -> None:
    for number in range(SIZE + 1):
        record = _issue(house, number)
        assert (house.crl_folder / _address(record).rpartition("/")[2]).exists()
        publisher.publish_if_due(house.clock.now())


def test_a_partition_goes_when_its_last_certificate_has_ended(
    house: House, publisher: CrlPublisher, clock: SettableClock
) -> None:
    issued = [_issue(house, number) for number in range(3 * SIZE)]
    publisher.publish_if_due(clock.now())
    file = house.crl_folder / _address(issued[0]).rpartition("/")[2]
    clock.advance(issued[-1].not_after - clock.now() + 2 * DAY - HOUR)
    publisher.publish_if_due(clock.now())
    assert file.exists()
    clock.advance(2 * DAY)
    publisher.publish_if_due(clock.now())
    assert not file.exists()


def test_a_partition_that_is_over_is_asked_for_by_nobody(house: House, publisher: CrlPublisher, clock: SettableClock) -> None:
    issued = [_issue(house, number) for number in range(3 * SIZE)]
    publisher.publish_if_due(clock.now())
    clock.advance(issued[-1].not_after - clock.now() + 4 * DAY)
    publisher.publish_if_due(clock.now())
    with house.database.snapshot() as session:
        assert 1 not in crl_entries.partitions(session, "issuing-1")
        assert not session.scalars(select(CrlRow).where(CrlRow.issuer == "issuing-1", CrlRow.partition == 1)).all()


def test_what_is_switched_off_is_withdrawn(house: House, publisher: CrlPublisher, clock: SettableClock) -> None:
    last = [_issue(house, number) for number in range(SIZE)][-1]
    publisher.publish_if_due(clock.now())
    assert (house.crl_folder / "issuing-1.delta.crl").exists()
    plain = replace(publisher, partition_size=0, delta=False)
    plain.publish_if_due(clock.advance(DAY))
    assert not list(house.crl_folder.glob("*.delta.crl"))
    with house.database.snapshot() as session:
        assert not session.scalars(select(CrlRow).where(CrlRow.is_delta)).all()
    file = house.crl_folder / _address(last).rpartition("/")[2]
    _revoke(house, last)
    plain.publish_if_due(clock.advance(HOUR))  # its certificates go on to be listed where they say
    assert last.serial in _serials(_list(house.crl_folder, file.name))
    clock.advance(last.not_after - clock.now() + 4 * DAY)
    plain.publish_if_due(clock.now())
    assert not file.exists()


def test_a_list_that_can_not_be_made_stops_no_other_one(house: House, publisher: CrlPublisher, clock: SettableClock) -> None:
    issued = [_issue(house, number) for number in range(2 * SIZE)]
    publisher.publish_if_due(clock.now())
    _revoke(house, issued[0], issued[-1])
    with house.database.transaction() as session:
        session.execute(update(CrlEntryRow).where(CrlEntryRow.certificate_id == _id(session, issued[0])).values(entry=b"0"))
    with pytest.raises(ListFaultError, match="can not be read"):
        publisher.publish_if_due(clock.now())
    assert _serials(_list(house.crl_folder, _address(issued[-1]))) == {issued[-1].serial}


def _id(session: Session, record: CertificateRecord) -> int:
    return session.scalars(select(CertificateRow.id).where(CertificateRow.serial == record.serial)).one()


def test_a_delta_tells_what_changed_since_lists_that_are_over(
    house: House, publisher: CrlPublisher, clock: SettableClock
) -> None:
    early, late, held = (_issue(house, number) for number in range(3))
    _revoke(house, early)
    with house.database.transaction() as session:
        revocation.hold(session, held.issuer, held.serial, now=clock.now(), invalid_since=clock.now() - HOUR)
    publisher.publish_if_due(clock.now())
    base = number_of(_list(house.crl_folder, "issuing-1.crl"))
    clock.advance(3 * DAY)
    publisher.publish_if_due(clock.now())
    _revoke(house, late)
    with house.database.transaction() as session:
        revocation.release(session, held.issuer, held.serial)
    clock.advance(HOUR)
    publisher.publish_if_due(clock.now())
    complete, delta = (_list(house.crl_folder, f"issuing-1{end}.crl") for end in ("", ".delta"))
    assert _serials(complete) == {early.serial, late.serial}
    assert _serials(delta) == {late.serial, held.serial}
    assert number_of(complete) == number_of(delta)
    indicator = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (indicator.critical, indicator.value.crl_number) == (True, base)
    removal = delta.get_revoked_certificate_by_serial_number(int(held.serial, 16))
    assert removal is not None
    assert [extension.value for extension in removal.extensions] == [x509.CRLReason(x509.ReasonFlags.remove_from_crl)]
    freshest = complete.extensions.get_extension_for_class(x509.FreshestCRL)
    assert not freshest.critical
    assert freshest.value[0].full_name == [x509.UniformResourceIdentifier("http://status.example.jp/crl/issuing-1.delta.crl")]
    with pytest.raises(x509.ExtensionNotFound):
        delta.extensions.get_extension_for_class(x509.FreshestCRL)


def test_what_is_held_again_is_no_removal(house: House, publisher: CrlPublisher, clock: SettableClock) -> None:
    record = _issue(house, 1)
    with house.database.transaction() as session:
        revocation.hold(session, record.issuer, record.serial, now=clock.now())
        revocation.release(session, record.issuer, record.serial)
        revocation.hold(session, record.issuer, record.serial, now=clock.now())
    publisher.publish_if_due(clock.now())
    [entry] = _list(house.crl_folder, "issuing-1.delta.crl")
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.certificate_hold


def test_openssl_takes_partitions_and_no_other_list(house: House, publisher: CrlPublisher, tmp_path: Path) -> None:
    run = Runner()
    good, revoked = _issue(house, 1), _issue(house, 2)
    others = [_issue(house, 3 + number) for number in range(SIZE)]
    _revoke(house, revoked)
    publisher.publish_if_due(house.clock.now())
    files = {"good": good, "revoked": revoked, "other": others[-1]}
    for file, record in files.items():
        (tmp_path / f"{file}.der").write_bytes(record.der or b"")
    (tmp_path / "root.pem").write_text(house.root.pem)
    (tmp_path / "issuing.pem").write_text(house.issuing.issuer.pem)
    partition = house.crl_folder / _address(good).rpartition("/")[2]

    def verify(file: str) -> tuple[int, str]:
        told = run(
            *("openssl", "verify", "-x509_strict", "-crl_check", "-attime", str(int(house.clock.now().timestamp()) + 60)),
            *("-purpose", "sslclient", "-extended_crl", "-CAfile", tmp_path / "root.pem"),
            *("-untrusted", tmp_path / "issuing.pem", "-CRLfile", partition, tmp_path / f"{file}.der"),
        )
        return told.status, told.text

    assert verify("good")[0] == 0, verify("good")
    assert "certificate revoked" in verify("revoked")[1]
    assert verify("other")[0] != 0
    told = run("openssl", "crl", "-in", partition, "-noout", "-text", "-CAfile", tmp_path / "issuing.pem")
    assert "verify OK" in told.text
    assert "Only User Certificates" in told.text


def test_pkilint_has_nothing_to_say(house: House, publisher: CrlPublisher, clock: SettableClock) -> None:
    held, *issued = [_issue(house, number) for number in range(SIZE)]
    _revoke(house, *issued)
    with house.database.transaction() as session:
        revocation.hold(session, held.issuer, held.serial, now=clock.now(), invalid_since=clock.now() - DAY)
    publisher.publish_if_due(clock.now())
    with house.database.transaction() as session:
        revocation.release(session, held.issuer, held.serial)
    publisher.publish_if_due(clock.advance(HOUR))
    rules = crl_rules.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl_rules.create_issuer_validator_container([]),
            crl_rules.create_validity_validator_container([]),
            crl_rules.create_extensions_validator_container([]),
        ],
    )
    told = []
    files = sorted(house.crl_folder.glob("*.crl"))
    partition = _address(held).rpartition("/")[2].removesuffix(".crl")
    assert {"root.crl", "issuing-1.crl", "issuing-1.delta.crl", f"{partition}.crl", f"{partition}.delta.crl"} <= {
        file.name for file in files
    }
    for file in files:
        document = loader.RFC5280CertificateListDocumentLoader().load_der_document(file.read_bytes(), file.name)
        for result in rules.validate(document.root):
            told += [
                f"{file.name} {described.finding.code}: {described.message}"
                for described in result.finding_descriptions
                if described.finding.severity <= ValidationFindingSeverity.WARNING
            ]
    assert told == []
    allowed = linting.by_design([house.profile])
    assert not [finding for record in (held, *issued) for finding in linting.lint(record.der or b"", allowed)]


def test_a_certificate_names_the_delta_beside_its_partition(house: House, publisher: CrlPublisher) -> None:
    record = _issue(house, 1)
    publisher.publish_if_due(house.clock.now())
    freshest = _certificate(record).extensions.get_extension_for_class(x509.FreshestCRL)
    assert not freshest.critical
    [address] = (name.value for name in freshest.value[0].full_name or ())
    partition = _list(house.crl_folder, _address(record))
    assert freshest.value == partition.extensions.get_extension_for_class(x509.FreshestCRL).value
    delta = _list(house.crl_folder, address)
    assert delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).critical
    # RFC 5280 §5.2.4: a delta has the scope of the list that it belongs to.
    scopes = [crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint) for crl in (partition, delta)]
    assert scopes[0] == scopes[1]


def test_openssl_takes_an_old_list_and_its_newest_delta_together(
    house: House, publisher: CrlPublisher, clock: SettableClock, tmp_path: Path
) -> None:
    good, revoked = _issue(house, 1), _issue(house, 2)
    publisher.publish_if_due(clock.now())
    partition = house.crl_folder / _address(good).rpartition("/")[2]
    old = tmp_path / "old.crl"
    old.write_bytes(partition.read_bytes())
    _revoke(house, revoked)
    publisher.publish_if_due(clock.advance(HOUR))
    delta = partition.with_name(f"{partition.stem}.delta.crl")
    for file, record in {"good": good, "revoked": revoked}.items():
        (tmp_path / f"{file}.der").write_bytes(record.der or b"")
    (tmp_path / "root.pem").write_text(house.root.pem)
    (tmp_path / "issuing.pem").write_text(house.issuing.issuer.pem)

    def verify(name: str, *more: str | Path) -> tuple[int, str]:
        told = Runner()(
            *("openssl", "verify", "-x509_strict", "-crl_check", "-attime", str(int(clock.now().timestamp()) + 60)),
            *("-purpose", "sslclient", "-extended_crl", "-CAfile", tmp_path / "root.pem"),
            *("-untrusted", tmp_path / "issuing.pem", "-CRLfile", old, *more, tmp_path / f"{name}.der"),
        )
        return told.status, told.text

    with_delta = ("-use_deltas", "-CRLfile", delta)
    assert verify("revoked")[0] == 0  # of what the old list tells
    assert verify("good", *with_delta)[0] == 0, verify("good", *with_delta)
    assert "certificate revoked" in verify("revoked", *with_delta)[1]


def test_partitions_need_an_address(house: House) -> None:
    with pytest.raises(ValueError, match="addresses"):
        CrlPublisher(house.database, house.issuing, house.crl_folder, partition_size=SIZE)


def test_numbers_and_times_rise_after_a_restore(house: House, clock: SettableClock) -> None:
    clock.advance(DAY)
    newest = [house.crl.publish(clock.now()) for _ in range(100)][-1]
    published = house.crl.file.read_bytes()
    _restore(house)
    house.crl.file.write_bytes(published)
    assert house.crl.publish(clock.now()) > newest
    _restore(house)
    house.crl.file.unlink()
    assert house.crl.publish(clock.advance(timedelta(minutes=2))) > newest + 1


def test_a_restore_with_a_clock_that_is_behind_signs_nothing(house: House, clock: SettableClock) -> None:
    house.crl.publish(clock.now() + DAY)
    _restore(house)
    with pytest.raises(ClockBehindError):
        house.crl.publish(clock.now())


def test_the_time_of_a_number_that_was_never_signed_counts(house: House, clock: SettableClock) -> None:
    with house.database.transaction() as session:
        session.get_one(IssuerRow, "issuing-1").crl_time = clock.now() + HOUR
    with pytest.raises(ClockBehindError):
        house.crl.publish(clock.now())


def _restore(house: House) -> None:
    """Let the records forget all lists but the first, as a backup does."""
    with house.database.transaction() as session:
        issuer = session.get_one(IssuerRow, "issuing-1")
        first = min(row.number for row in session.query(CrlRow).where(CrlRow.issuer == "issuing-1"))
        session.query(CrlRow).where(CrlRow.issuer == "issuing-1", CrlRow.number > first).delete()
        issuer.crl_number, issuer.crl_time = first, None


def test_the_file_of_a_list_is_named_like_its_address(house: House) -> None:
    assert house.crl.file == crl_file(house.crl_folder, "issuing-1")
