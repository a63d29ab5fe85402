"""Certificates of many terminals of an office at once."""

import io
import zipfile
from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from sqlalchemy import select, text, update

from ca.authority import Authority
from ca.certificates import CertificateState
from ca.issuers import SigningIssuer
from enrollment.batches import packages, records, uploads
from enrollment.batches.deeds import Batches
from enrollment.batches.records import Batch, BatchState, Item, ItemState
from enrollment.batches.redeeming import BatchRedemption
from enrollment.batches.tables import BatchItemRow
from enrollment.code_sets import CodeSetState
from enrollment.credentials import of_terminals
from enrollment.disclosure import Disclosure, Disclosures
from enrollment.redemption import Redemption
from enrollment.windows_scripts import WindowsScripts
from kernel import audit
from kernel.audit import AuditEntry
from kernel.errors import Refused, Unavailable
from tests.crash.faults import BrokenKey, Trouble, fail, once
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request

HANAKO = audit.customer(OFFICE, "hanako")
File = tuple[str, bytes]
# What our own code says, whatever lies below.
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def batches(house: House) -> Batches:
    return Batches(house.database, house.clock)


@pytest.fixture
def worker(house: House) -> BatchRedemption:
    return BatchRedemption(house.redemption, house.opener)


def csr(terminal: str = "", key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, terminal)] if terminal else [])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM)


def zipped(files: Sequence[File], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return octets.getvalue()


def named(house: House, count: int) -> list[File]:
    """Return new terminals' requests as files with their names."""
    return [(f"{name}.csr", csr(name)) for name, _ in house.new_codes(count)]


def batch_of(house: House, batch_id: str) -> Batch:
    with house.database.snapshot() as session:
        found = records.find(session, batch_id, OFFICE)
    assert found is not None
    return found


def items_of(house: House, batch_id: str) -> tuple[Item, ...]:
    with house.database.snapshot() as session:
        return records.items(session, batch_id)


def outcomes(house: House, batch_id: str) -> list[tuple[ItemState, str | None]]:
    return [(item.state, item.reason) for item in items_of(house, batch_id)]


def forget_note(house: House) -> None:
    """Be a process that died after its redemptions and before it noted them."""
    with house.database.transaction() as session:
        waiting = {"state": "confirmed", "serial": None, "issuer": None, "next_try_at": house.clock.now()}
        session.execute(update(BatchItemRow).values(**waiting))


def breakable(house: House) -> tuple[BrokenKey, BatchRedemption]:
    """Return a key that does deeds, and a worker that signs with it."""
    key = BrokenKey(house.issuing.key)
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    return key, BatchRedemption(Redemption(house.database, house.clock, authority, house.hasher), house.opener)


def zipped_terminals(batches: Batches, batch_id: str) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(batches.certificates(batch_id, OFFICE))) as archive:
        return {name.removesuffix(".p7b") for name in archive.namelist() if name.endswith(".p7b")}


def ignore(_result: object) -> None:
    return


def faults(*files: File) -> list[tuple[str | None, str | None]]:
    return [(one.terminal, one.fault) for one in uploads.read(files)]


def refusal(*files: File) -> str:
    with pytest.raises(Refused) as refused:
        uploads.read(files)
    return refused.value.code


def test_a_batch_is_redeemed_after_one_confirmation_and_its_certificates_are_had_as_a_zip(
    house: House, batches: Batches, worker: BatchRedemption
) -> None:
    files = named(house, 3)
    batch_id = batches.upload(OFFICE, [("all.zip", zipped(files))], HANAKO)
    assert worker.work_off(house.clock.now()) == 0, "nothing before a person confirmed it"
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    assert worker.work_off(house.clock.now()) == 3
    assert outcomes(house, batch_id) == [(ItemState.DONE, None)] * 3
    assert batch_of(house, batch_id).is_finished
    with zipfile.ZipFile(io.BytesIO(batches.certificates(batch_id, OFFICE))) as archive:
        names = sorted(name.removesuffix(".csr") for name, _ in files)
        assert sorted(archive.namelist()) == sorted(f"{name}{end}" for name in names for end in (".p7b", "-chain.pem"))
        for (name, request), terminal in zip(sorted(files), names, strict=True):
            keys = [one.public_key() for one in pkcs7.load_der_pkcs7_certificates(archive.read(f"{terminal}.p7b"))]
            assert (len(keys), x509.load_pem_x509_csr(request).public_key() in keys) == (2, True), name
    with house.database.snapshot() as session:
        assert {view.state for view in of_terminals(session, names).values()} == {CertificateState.VALID}


def test_whatever_is_repeated_changes_nothing(house: House, batches: Batches, worker: BatchRedemption) -> None:
    batch_id = batches.upload(OFFICE, named(house, 2), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    assert worker.work_off(house.clock.now()) == 2
    before = items_of(house, batch_id)
    # The process died after the redemption and before it was noted.
    forget_note(house)
    assert worker.work_off(house.clock.now()) == 2
    assert [(item.issuer, item.serial) for item in items_of(house, batch_id)] == [(one.issuer, one.serial) for one in before]
    assert worker.work_off(house.clock.now()) == 0
    with pytest.raises(Refused, match="batch-state"):
        batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)


def test_each_terminals_trouble_is_its_own(house: House, batches: Batches, worker: BatchRedemption) -> None:
    files = named(house, 5)
    good, suspended, replaced, frozen, other = (name.removesuffix(".csr") for name, _ in files)
    batch_id = batches.upload(OFFICE, files, HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    house.endings.suspend(suspended, SECURITY)
    house.preparation.replace(replaced, PREPARER)
    house.notices.freeze(None, OFFICE, frozen, HANAKO)
    house.redemption.redeem(house.codes_of(other), new_request().pem, SOURCE)
    assert worker.work_off(house.clock.now()) == 5
    told = {item.terminal: item.reason for item in items_of(house, batch_id)}
    assert told == {
        good: None,
        suspended: "terminal-suspended",
        replaced: "codes-replaced",
        frozen: "codes-frozen",
        other: "codes-spent",
    }


@ONE_DATABASE
def test_what_can_be_told_at_once_is_told_at_the_upload(house: House, batches: Batches) -> None:
    [(name, codes)] = house.new_codes()
    del codes
    [without] = house.new_terminals()
    files = [
        (f"{name}.csr", csr(name)),
        (f"{without}.csr", csr(without)),
        ("11111W.csr", csr("11111W")),
        ("22222W.csr", b"nonsense"),
    ]
    batch_id = batches.upload(OFFICE, files, HANAKO)
    told = {item.terminal: (item.state, item.reason) for item in items_of(house, batch_id)}
    assert told == {
        name: (ItemState.READY, None),
        without: (ItemState.REFUSED, "codes-none"),
        "11111W": (ItemState.REFUSED, "codes-none"),
        "22222W": (ItemState.REFUSED, "csr-malformed"),
    }


@ONE_DATABASE
def test_another_offices_batch_is_nobodys(house: House, batches: Batches) -> None:
    batch_id = batches.upload(OFFICE, named(house, 1), HANAKO)
    stranger = audit.customer("NAC002", "saburo")
    for deed in (
        lambda: batches.confirm(batch_id, "NAC002", stranger, source=SOURCE),
        lambda: batches.cancel(batch_id, "NAC002", stranger),
        lambda: batches.certificates(batch_id, "NAC002"),
    ):
        with pytest.raises(Refused, match="batch-unknown"):
            deed()
    with house.database.snapshot() as session:
        assert records.find(session, batch_id, "NAC002") is None
        assert records.listed(session, "NAC002") == ()


@ONE_DATABASE
def test_another_offices_terminal_gets_nothing_by_ones_own_batch(house: House, batches: Batches) -> None:
    files = named(house, 1)
    batch_id = batches.upload("NAC002", files, audit.customer("NAC002", "saburo"))
    with house.database.snapshot() as session:
        [item] = records.items(session, batch_id)
    assert (item.state, item.reason) == (ItemState.REFUSED, "codes-none")


@ONE_DATABASE
def test_cancelling_stops_what_was_not_redeemed_yet(house: House, batches: Batches, worker: BatchRedemption) -> None:
    batch_id = batches.upload(OFFICE, named(house, 2), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    batches.cancel(batch_id, OFFICE, HANAKO)
    assert worker.work_off(house.clock.now()) == 0
    assert outcomes(house, batch_id) == [(ItemState.CANCELLED, None)] * 2
    assert batch_of(house, batch_id).state is BatchState.CANCELLED
    with pytest.raises(Refused, match="batch-no-certificates"):
        batches.certificates(batch_id, OFFICE)


@ONE_DATABASE
def test_cancelling_while_the_first_is_signed_spares_the_others_and_the_report_tells_what_happened(
    house: House, batches: Batches
) -> None:
    batch_id = batches.upload(OFFICE, named(house, 3), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    key, worker = breakable(house)
    key.before = once(lambda: batches.cancel(batch_id, OFFICE, HANAKO))
    assert worker.work_off(house.clock.now()) == 1
    assert outcomes(house, batch_id) == [(ItemState.DONE, None), *[(ItemState.CANCELLED, None)] * 2]
    first, *others = (item.terminal or "" for item in items_of(house, batch_id))
    with house.database.snapshot() as session:
        assert set(of_terminals(session, [first, *others])) == {first}
    assert zipped_terminals(batches, batch_id) == {first}
    assert batch_of(house, batch_id).is_finished


@ONE_DATABASE
def test_what_was_redeemed_and_not_noted_yet_is_told_although_the_batch_is_cancelled(
    house: House, batches: Batches, worker: BatchRedemption
) -> None:
    batch_id = batches.upload(OFFICE, named(house, 1), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    assert worker.work_off(house.clock.now()) == 1
    forget_note(house)
    batches.cancel(batch_id, OFFICE, HANAKO)
    Disclosures(house.database, house.clock).choose(OFFICE, Disclosure.SPLIT, SECURITY)
    assert worker.work_off(house.clock.now()) == 1
    assert outcomes(house, batch_id) == [(ItemState.DONE, None)]
    assert len(zipped_terminals(batches, batch_id)) == 1


def test_a_confirmation_is_for_a_day_and_an_unconfirmed_batch_is_forgotten(
    house: House, clock: SettableClock, batches: Batches, worker: BatchRedemption
) -> None:
    confirmed, forgotten = (batches.upload(OFFICE, named(house, 1), HANAKO) for _ in range(2))
    batches.confirm(confirmed, OFFICE, HANAKO, source=SOURCE)
    clock.advance(timedelta(hours=25))
    worker.work_off(clock.now())
    assert outcomes(house, confirmed) == [(ItemState.REFUSED, "batch-expired")]
    with house.database.snapshot() as session:
        assert records.find(session, forgotten, OFFICE) is None


@ONE_DATABASE
def test_a_key_that_is_away_burns_nothing_and_is_waited_for(house: House, clock: SettableClock, batches: Batches) -> None:
    key, worker = breakable(house)
    batch_id = batches.upload(OFFICE, named(house, 1), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)

    def away() -> None:
        raise Unavailable("token")

    key.before = away
    assert worker.work_off(clock.now()) == 0
    assert outcomes(house, batch_id) == [(ItemState.CONFIRMED, None)]
    key.before = lambda: None
    assert worker.work_off(clock.now()) == 0, "not before its time"
    assert worker.work_off(clock.advance(timedelta(seconds=11))) == 1
    assert outcomes(house, batch_id) == [(ItemState.DONE, None)]


@ONE_DATABASE
def test_a_lock_by_wrong_tries_is_waited_for(
    house: House, clock: SettableClock, batches: Batches, worker: BatchRedemption
) -> None:
    [(name, codes)] = house.new_codes()
    batch_id = batches.upload(OFFICE, [(f"{name}.csr", csr(name))], HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    wrong = type(codes)(codes.access_key, codes.auth_code_1, "222222", "22222", OFFICE)
    for _ in range(5):
        with pytest.raises(Refused):
            house.redemption.redeem(wrong, new_request().pem, "192.0.2.77")
    assert worker.work_off(clock.now()) == 0
    assert worker.work_off(clock.advance(timedelta(minutes=31))) == 1
    assert outcomes(house, batch_id) == [(ItemState.DONE, None)]


@ONE_DATABASE
def test_who_confirmed_what_is_on_record(house: House, batches: Batches) -> None:
    files = named(house, 1)
    batch_id = batches.upload(OFFICE, files, HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    name = files[0][0].removesuffix(".csr")
    with house.database.snapshot() as session:
        deeds = [deed.action for deed in audit.history(session, f"batch:{batch_id}")]
        used = session.scalars(select(AuditEntry).where(AuditEntry.action == "codes.use-in-batch")).one()
    assert deeds == ["batch.confirm", "batch.upload"]
    assert (used.actor, used.subject, used.facts) == (str(HANAKO), f"terminal:{name}", {"batch": batch_id})
    assert (batch_of(house, batch_id).confirmer, batch_of(house, batch_id).confirmed_at) == (str(HANAKO), house.clock.now())


@ONE_DATABASE
def test_codes_that_a_contract_divides_between_two_are_not_used_by_one(house: House, batches: Batches) -> None:
    files = named(house, 1)
    batch_id = batches.upload(OFFICE, files, HANAKO)
    Disclosures(house.database, house.clock).choose(OFFICE, Disclosure.SPLIT, SECURITY)
    for deed in (
        lambda: batches.upload(OFFICE, files, HANAKO),
        lambda: batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE),
    ):
        with pytest.raises(Refused, match="codes-split"):
            deed()


@ONE_DATABASE
def test_a_contract_that_divides_the_codes_after_the_confirmation_stops_what_is_left(house: House, batches: Batches) -> None:
    batch_id = batches.upload(OFFICE, named(house, 3), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    key, worker = breakable(house)
    disclosures = Disclosures(house.database, house.clock)
    key.before = once(lambda: ignore(disclosures.choose(OFFICE, Disclosure.SPLIT, SECURITY)))
    assert worker.work_off(house.clock.now()) == 3
    assert outcomes(house, batch_id) == [(ItemState.DONE, None), *[(ItemState.REFUSED, "codes-split")] * 2]
    for item in items_of(house, batch_id)[1:]:
        assert {row.state for row in house.code_set_rows(item.terminal or "")} == {CodeSetState.PREPARED}


def test_a_damaged_item_ends_itself_only(house: House, batches: Batches, worker: BatchRedemption) -> None:
    files = named(house, 3)
    batch_id = batches.upload(OFFICE, files[:2], HANAKO)
    another = batches.upload(OFFICE, files[2:], HANAKO)
    for each in (batch_id, another):
        batches.confirm(each, OFFICE, HANAKO, source=SOURCE)
    with house.database.transaction() as session:
        first = BatchItemRow.batch == batch_id, BatchItemRow.place == 1
        session.execute(update(BatchItemRow).where(*first).values(request=None))
    with pytest.raises(Exception, match="is not whole"):
        worker.work_off(house.clock.now())
    assert outcomes(house, batch_id) == [(ItemState.REFUSED, "batch-item-damaged"), (ItemState.DONE, None)]
    assert outcomes(house, another) == [(ItemState.DONE, None)]
    assert worker.work_off(house.clock.now()) == 0


@ONE_DATABASE
def test_an_item_that_can_not_be_read_ends_itself_only(house: House, batches: Batches, worker: BatchRedemption) -> None:
    batch_id = batches.upload(OFFICE, named(house, 2), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    with house.database.transaction() as session:
        session.execute(text("UPDATE enrollment_batch_item SET facts = '{' WHERE place = 1"))
    with pytest.raises(Exception, match="can not be read"):
        worker.work_off(house.clock.now())
    assert outcomes(house, batch_id) == [(ItemState.REFUSED, "batch-item-damaged"), (ItemState.DONE, None)]


@ONE_DATABASE
def test_a_fault_of_ours_is_told_when_the_others_are_done_and_tried_again(
    house: House, clock: SettableClock, batches: Batches
) -> None:
    batch_id = batches.upload(OFFICE, named(house, 2), HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    key, worker = breakable(house)
    key.before = once(fail)
    with pytest.raises(Trouble, match="the device does not answer"):
        worker.work_off(clock.now())
    assert outcomes(house, batch_id) == [(ItemState.CONFIRMED, None), (ItemState.DONE, None)]
    assert worker.work_off(clock.advance(timedelta(minutes=6))) == 1
    assert outcomes(house, batch_id) == [(ItemState.DONE, None)] * 2


@ONE_DATABASE
def test_codes_that_come_after_the_confirmation_are_another_matter(
    house: House, batches: Batches, worker: BatchRedemption
) -> None:
    [(name, request)] = named(house, 1)
    batch_id = batches.upload(OFFICE, [(name, request)], HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    terminal = name.removesuffix(".csr")
    house.preparation.replace(terminal, PREPARER)
    worker.work_off(house.clock.now())
    assert outcomes(house, batch_id) == [(ItemState.REFUSED, "codes-replaced")]
    assert {row.state for row in house.code_set_rows(terminal)} == {CodeSetState.REPLACED, CodeSetState.PREPARED}


@ONE_DATABASE
def test_an_office_has_few_batches_at_a_time(house: House, batches: Batches) -> None:
    for _ in range(5):
        batches.upload(OFFICE, named(house, 1), HANAKO)
    with pytest.raises(Refused, match="batch-open"):
        batches.upload(OFFICE, named(house, 1), HANAKO)


def test_a_file_is_for_the_terminal_of_its_name_or_its_subject() -> None:
    assert faults(("99999W.csr", csr())) == [("99999W", None)]
    assert faults(("９９９９９ｗ.csr", csr())) == [("99999W", None)]
    assert faults(("folder\\99999w-new.req", csr("99999W"))) == [("99999W", None)]
    assert faults(("request.csr", csr("99999W"))) == [("99999W", None)]
    assert faults(("request.csr", csr())) == [(None, "csr-nameless")]
    assert faults(("11111A-22222B.csr", csr())) == [(None, "csr-nameless")]
    assert faults(("99999W.csr", csr("11111W"))) == [("99999W", "csr-names-differ")]
    der = x509.load_pem_x509_csr(csr("99999W")).public_bytes(Encoding.DER)
    assert faults(("x", der)) == [("99999W", None)]


def test_two_for_one_terminal_or_with_one_key_are_both_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert faults(("99999W.csr", csr()), ("b/99999w.csr", csr())) == [("99999W", "csr-twice")] * 2
    assert faults(("11111W.csr", csr("", key)), ("22222W.csr", csr("", key))) == [("11111W", "key-used"), ("22222W", "key-used")]


def test_what_a_zip_holds_besides_requests_is_passed_over() -> None:
    besides = ["99999W.inf", "99999W.ps1", "README.txt", "__MACOSX/._99999W.csr", ".DS_Store", "sub/"]
    archive = zipped([*((name, b"besides") for name in besides), ("sub/99999W.csr", csr())])
    assert faults(("batch.zip", archive)) == [("99999W", None)]


def test_bombs_and_broken_archives_are_refused_without_being_inflated() -> None:
    huge = zipped([("99999W.csr", b"0" * 30_000_000)])
    assert len(huge) < 40_000
    assert faults(("bomb.zip", huge)) == [("99999W", "csr-malformed")]
    assert faults(("nested.zip", zipped([("99999W.csr", huge)]))) == [("99999W", "csr-malformed")]
    assert refusal(("many.zip", zipped([(f"{number}.txt", b"x") for number in range(1_001)]))) == "batch-too-many"
    assert refusal(("many.zip", zipped([(f"{number:05}W.csr", b"x") for number in range(201)]))) == "batch-too-many"
    assert refusal(("lzma.zip", zipped([("99999W.csr", csr())], zipfile.ZIP_LZMA))) == "batch-archive"
    assert refusal(("broken.zip", zipped([("99999W.csr", csr())])[:-30])) == "batch-archive"
    damaged = bytearray(zipped([("99999W.csr", csr())]))
    damaged[60:90] = bytes(30)
    assert refusal(("damaged.zip", bytes(damaged))) == "batch-archive"
    encrypted = bytearray(zipped([("99999W.csr", csr())]))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(("locked.zip", bytes(encrypted))) == "batch-archive"
    assert refusal(("empty.zip", zipped([]))) == "batch-empty"
    assert refusal() == "batch-empty"


def test_names_of_files_can_not_mean_anything() -> None:
    [one] = uploads.read([("../../etc/<script>\x00\x1b99999W.csr" + "x" * 300, csr())])
    assert "/" not in one.file_name
    assert one.file_name.isprintable()
    assert len(one.file_name) <= 100


@ONE_DATABASE
def test_the_package_of_scripts_holds_each_terminals_files_and_no_code(house: House) -> None:
    codes = dict(house.new_codes(2))
    root = house.root.pem.encode()
    made = packages.scripts(WindowsScripts("https://localhost:8444", root), "https://localhost:8443", sorted(codes))
    assert made == packages.scripts(WindowsScripts("https://localhost:8444", root), "https://localhost:8443", sorted(codes))
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert set(archive.namelist()) == {"README.txt", *(f"{name}{end}" for name in codes for end in (".inf", ".ps1"))}
        whole = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8", "replace")
        text = archive.read("README.txt").decode("utf-8-sig")
    for one in codes.values():
        assert not any(secret in whole for secret in (one.access_key, one.auth_code_2, one.auth_code_3))
    assert "https://localhost:8443/batches" in text
    assert all(name in text for name in codes)
    assert APPROVER.name not in whole
