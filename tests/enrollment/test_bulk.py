from datetime import datetime, timedelta

import pytest
from cryptography import x509
from sqlalchemy import func, select

from ca import certificates
from ca.authority import Authority
from ca.certificates import CertificateState
from ca.issuers import SigningIssuer
from ca.revocation import Reason
from enrollment.bulk import BATCH, BulkRevocation, Preview
from enrollment.code_sets import CodeSetState
from enrollment.deeds import Ending
from enrollment.renewal import Renewal
from kernel import audit
from kernel.audit import AuditEntry
from kernel.errors import Refused
from kernel.outbox import OutboxMail
from tests.ca.issuance import reserve
from tests.crash.faults import BrokenKey, Trouble, fail
from tests.enrollment.renewing import Renewable, renewable
from tests.enrollment.test_redemption import claimed
from tests.support.clock import SettableClock
from tests.support.house import House, new_request

ACTOR = audit.operator("bulk")


@pytest.fixture
def bulk(house: House) -> BulkRevocation:
    return BulkRevocation(house.database, house.clock)


def _ending(now: datetime) -> Ending:
    return Ending(Reason.KEY_COMPROMISE, ACTOR, now, now - timedelta(days=1))


def _state(house: House, terminal: str) -> list[CertificateState]:
    with house.database.snapshot() as session:
        return [certificate.state for certificate in certificates.of_subject(session, terminal)]


def _deeds(house: House) -> int:
    with house.database.snapshot() as session:
        return session.scalar(select(func.count()).where(AuditEntry.action == "certificate.revoke")) or 0


def test_many_are_revoked_with_an_entry_each_and_one_mail(house: House, bulk: BulkRevocation) -> None:
    issued = [house.issue() for _ in range(4)]
    names = [one.terminal for one in issued[:3]] + [f"{issued[3].certificate.issuer}:{issued[3].certificate.serial.upper()}"]
    with house.database.snapshot() as session:
        mails = session.scalar(select(func.count(OutboxMail.id))) or 0
    told: list[tuple[int, int]] = []
    assert bulk.preview(names) == Preview(4, 0, (), ())
    done = bulk.revoke(names, _ending, lambda at, total: told.append((at, total)))
    assert (done.certificates, done.being_made, told) == (4, 0, [(4, 4)])
    assert all(_state(house, one.terminal) == [CertificateState.REVOKED] for one in issued)
    assert _deeds(house) == 4
    with house.database.snapshot() as session:
        assert session.scalar(select(func.count(OutboxMail.id))) == mails + 1
        newest = session.scalars(select(OutboxMail).order_by(OutboxMail.id.desc()).limit(1)).one()
    assert all(one.terminal in newest.body for one in issued)
    house.crl.publish_if_due(house.clock.now())
    listed = x509.load_der_x509_crl(house.crl.file.read_bytes())
    assert {f"{entry.serial_number:x}" for entry in listed} == {one.certificate.serial for one in issued}
    dates = {entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc for entry in listed}
    assert dates == {house.clock.now() - timedelta(days=1)}


def test_the_same_deed_again_changes_nothing(house: House, bulk: BulkRevocation, clock: SettableClock) -> None:
    names = [house.issue().terminal for _ in range(2)]
    bulk.revoke(names[:1], _ending)
    clock.advance(timedelta(hours=1))
    assert bulk.preview(names) == Preview(1, 0, (), (names[0],))
    assert bulk.revoke(names, _ending).certificates == 1
    assert bulk.revoke(names, _ending).certificates == 0
    assert _deeds(house) == 2


def test_a_retrieval_under_way_is_stopped(house: House, bulk: BulkRevocation) -> None:
    [(name, codes)] = house.new_codes()
    claimed(house, codes, new_request().pem)
    assert bulk.preview([name]) == Preview(0, 1, (), ())
    done = bulk.revoke([name], _ending)
    assert (done.certificates, done.being_made) == (0, 1)
    assert _state(house, name) == [CertificateState.ABANDONED]
    assert house.code_set_rows(name)[-1].state == CodeSetState.FROZEN


def test_a_certificate_that_is_being_made_is_stopped_by_its_serial_number(house: House, bulk: BulkRevocation) -> None:
    [(name, codes), (other, _)] = house.new_codes(2)
    claimed(house, codes, new_request().pem)
    with house.database.snapshot() as session:
        [promised] = certificates.of_subject(session, name)
    named = [f"{promised.issuer}:{promised.serial}"]
    assert bulk.preview(named) == bulk.preview([*named, name]) == Preview(0, 1, (), ())
    done = bulk.revoke(named, _ending)
    assert (done.certificates, done.being_made) == (0, 1)
    assert _state(house, name) == [CertificateState.ABANDONED]
    assert [house.code_set_rows(one)[-1].state for one in (name, other)] == [CodeSetState.FROZEN, CodeSetState.PREPARED]


def test_a_promise_without_codes_is_given_up_by_its_serial_number(house: House, bulk: BulkRevocation) -> None:
    reserved = reserve(house)  # by the authority alone, as a service's is
    done = bulk.revoke([f"{reserved.issuer}:{reserved.serial}"], _ending)
    assert (done.certificates, done.being_made) == (0, 1)
    with house.database.snapshot() as session:
        found = certificates.find(session, reserved.issuer, reserved.serial)
        deeds = session.scalar(select(func.count()).where(AuditEntry.action == "certificate.abandon"))
    assert found is not None
    assert (found.state, deeds) == (CertificateState.ABANDONED, 1)


def _renewing(house: House, terminal: Renewable) -> str:
    """Renew up to the signature, which fails; return the promised certificate as the command line names it."""
    key = BrokenKey(house.issuing.key)
    key.before = fail
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    with pytest.raises(Trouble):
        Renewal(house.database, house.clock, authority).renew(terminal.der, new_request().pem)
    with house.database.snapshot() as session:
        newest, _ = certificates.of_subject(session, terminal.terminal)
    return f"{newest.issuer}:{newest.serial}"


@pytest.mark.parametrize("by", ["terminal", "promised", "current"])
def test_a_renewal_under_way_is_stopped(house: House, bulk: BulkRevocation, clock: SettableClock, by: str) -> None:
    terminal = renewable(house, clock)
    promised = _renewing(house, terminal)
    name = {"terminal": terminal.terminal, "promised": promised, "current": f"issuing-1:{terminal.old.serial}"}[by]
    if by != "current":
        assert bulk.preview([name]) == Preview(by == "terminal", 1, (), ())
    done = bulk.revoke([name], _ending)
    assert (done.certificates, done.being_made) == (by != "promised", 1)
    assert terminal.renewals() == ["abandoned"]
    old = CertificateState.VALID if by == "promised" else CertificateState.REVOKED
    assert _state(house, terminal.terminal) == [CertificateState.ABANDONED, old]
    assert terminal.told() == ("renewed" if by == "promised" else "certificate-revoked")


def test_both_certificates_of_a_renewal_are_revoked_with_their_terminal(
    house: House, bulk: BulkRevocation, clock: SettableClock
) -> None:  # fmt: skip
    terminal = renewable(house, clock)
    terminal.renew()
    assert bulk.revoke([terminal.terminal], _ending).certificates == 2
    assert set(terminal.states().values()) == {CertificateState.REVOKED}
    assert terminal.renewals() == ["settled"]


def test_names_that_name_nothing_are_told_and_passed_over(house: House, bulk: BulkRevocation) -> None:
    name = house.issue().terminal
    names = [name, "00000A", "issuing-1:abcdef", "nonsense", " ", name]
    preview = bulk.preview(names)
    assert (preview.certificates, set(preview.unknown)) == (1, {"00000A", "issuing-1:abcdef", "nonsense"})
    assert bulk.revoke(names, _ending).certificates == 1


def test_a_date_in_the_future_is_refused_and_nothing_done(house: House, bulk: BulkRevocation) -> None:
    name = house.issue().terminal
    with pytest.raises(Refused, match="invalid-since-future"):
        bulk.revoke([name], lambda now: Ending(Reason.SUPERSEDED, ACTOR, now, now + timedelta(seconds=1)))
    assert _state(house, name) == [CertificateState.VALID]


def test_an_interrupted_deed_is_taken_up_again(house: House, bulk: BulkRevocation) -> None:
    names = [house.issue().terminal, *(f"{number:05}Z" for number in range(BATCH))]
    last = house.issue().terminal
    names = sorted([*names, last])

    def stop(done: int, total: int) -> None:
        assert total == len(names)
        if done < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bulk.revoke(names, _ending, stop)
    done = _deeds(house)
    assert done + bulk.revoke(names, _ending).certificates == 2


def test_a_service_is_revoked_by_its_serial(house: House, bulk: BulkRevocation) -> None:
    with house.database.snapshot() as session:
        [server] = [key for key, subject in certificates.living(session, ["tls-retrieval"]).items() if subject]
    assert bulk.revoke([":".join(server)], _ending).certificates == 1
    assert _state(house, "tls-retrieval") == [CertificateState.REVOKED]
