"""Renewal by the current certificate: who may, when, what becomes of the old one."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import id_notices, renewal
from enrollment.renewal import Renewal
from kernel.clock import day_end, day_start, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import news
from tests.crash import ledger
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, build_house, new_request

VALID, HELD, REVOKED = CertificateState.VALID, CertificateState.HELD, CertificateState.REVOKED


@pytest.fixture
def terminal(house: House, clock: SettableClock) -> Renewable:
    return renewable(house, clock)


def test_the_new_certificate_is_current_at_once_and_the_old_one_is_not(terminal: Renewable) -> None:
    renewed = terminal.renew()
    assert renewed.is_new
    assert renewed.terminal == terminal.terminal
    assert terminal.current() == renewed.certificate.serial != terminal.old.serial
    assert terminal.states() == {terminal.old.serial: VALID, renewed.certificate.serial: VALID}
    assert terminal.log_on(terminal.der) == "A0036"
    assert terminal.log_on(renewed.certificate.der) == "permitted"
    assert ledger.faults(terminal.house, []) == []


def test_it_names_the_terminal_and_lasts_a_year_from_today(terminal: Renewable) -> None:
    renewed = x509.load_der_x509_certificate(terminal.renew().certificate.der or b"")
    old = x509.load_der_x509_certificate(terminal.der)
    assert renewed.subject == old.subject
    assert renewed.public_key() != old.public_key()
    today = tokyo_date(terminal.house.clock.now())
    assert renewed.not_valid_after_utc == day_end(today.replace(year=today.year + 1) - timedelta(days=1))


def test_the_office_is_told_by_news_and_mail(terminal: Renewable) -> None:
    terminal.renew()
    with terminal.house.database.snapshot() as session:
        line = news.latest(session, OFFICE)[0]
    assert (line.code, line.facts) == ("certificate-renewed", {"terminal": terminal.terminal})


def test_the_old_certificate_fetches_the_same_answer_for_the_same_key_only(terminal: Renewable) -> None:
    request = new_request()
    first = terminal.renew(request)
    again = terminal.renew(request)
    assert (again.is_new, again.certificate.der) == (False, first.certificate.der)
    assert terminal.told(new_request()) == "renewal-spent"


def test_the_first_logon_with_the_new_certificate_revokes_the_old_one(terminal: Renewable) -> None:
    request = new_request()
    renewed = terminal.renew(request)
    assert terminal.log_on(renewed.certificate.der) == "permitted"
    assert terminal.states() == {terminal.old.serial: REVOKED, renewed.certificate.serial: VALID}
    assert terminal.renewals() == ["settled"]
    assert terminal.told(request) == "certificate-revoked"
    assert terminal.log_on(renewed.certificate.der) == "permitted"
    assert ledger.faults(terminal.house, []) == []


def test_a_refused_logon_revokes_nothing(terminal: Renewable) -> None:
    renewed = terminal.renew()
    with pytest.raises(Refused, match="A0018"):
        terminal.house.logon.check(renewed.certificate.der, terminal.terminal, "0000000000000")
    assert terminal.states()[terminal.old.serial] == VALID


def test_without_a_logon_the_old_one_is_revoked_after_seven_days(terminal: Renewable, clock: SettableClock) -> None:
    terminal.renew()
    database = terminal.house.database
    assert renewal.settle_due(database, clock.advance(timedelta(days=7))) == 0
    assert renewal.settle_due(database, clock.advance(timedelta(seconds=1))) == 1
    assert renewal.settle_due(database, clock.now()) == 0
    assert terminal.states()[terminal.old.serial] == REVOKED
    assert ledger.faults(terminal.house, []) == []


def test_a_renewed_certificate_is_renewed_in_its_turn(terminal: Renewable, clock: SettableClock) -> None:
    first = terminal.renew().certificate
    assert terminal.told(by=first.der) == "renewal-too-early"
    clock.instant = first.not_after - timedelta(days=3)
    second = terminal.renew(by=first.der).certificate
    assert terminal.renewals() == ["settled", "issued"]
    assert terminal.states() == {terminal.old.serial: REVOKED, first.serial: VALID, second.serial: VALID}


def test_days_before_and_after_the_window_are_refused_with_its_dates(terminal: Renewable, clock: SettableClock) -> None:
    last = tokyo_date(terminal.old.not_after)
    first = last - timedelta(days=28)
    told = []
    for instant in (day_start(first) - timedelta(seconds=1), day_start(last + timedelta(days=1))):
        clock.instant = instant
        with pytest.raises(Refused) as refused:
            terminal.renew()
        assert refused.value.facts == {"first_day": first.isoformat(), "last_day": last.isoformat()}
        told.append(refused.value.code)
    assert told == ["renewal-too-early", "renewal-too-late"]
    clock.instant = day_end(last)
    assert terminal.told() == "renewed"


def test_what_was_renewed_on_the_last_day_can_be_fetched_after_it(terminal: Renewable, clock: SettableClock) -> None:
    request = new_request()
    clock.instant = day_end(tokyo_date(terminal.old.not_after))
    renewed = terminal.renew(request)
    clock.advance(timedelta(hours=9))
    assert terminal.renew(request).certificate.der == renewed.certificate.der


def test_the_old_key_is_refused(house: House, clock: SettableClock) -> None:
    request = new_request()
    [(name, codes)] = house.new_codes()
    record = house.redemption.redeem(codes, request.pem, SOURCE).certificate
    clock.instant = record.not_after
    assert Renewable(house, name, codes.access_key, record).told(request) == "key-used"


def test_another_terminals_key_is_refused(terminal: Renewable) -> None:
    request = new_request()
    terminal.house.issue(request=request)
    assert terminal.told(request) == "key-used"


def test_a_weak_key_or_a_broken_request_is_refused(terminal: Renewable) -> None:
    assert terminal.told(new_request(rsa.generate_private_key(65537, 1024))) == "key-weak"  # noqa: S505 (that is the point)
    assert terminal.told(new_request(ec.generate_private_key(ec.SECP521R1()))) == "key-unsupported"
    assert terminal.told(replace(new_request(), pem=b"no request")) == "csr-malformed"
    assert terminal.states() == {terminal.old.serial: VALID}


def test_where_the_generation_ends_all_renewal_is_pointless(terminal: Renewable) -> None:
    house = terminal.house
    profile = replace(house.profile, fixed_end=tokyo_date(terminal.old.not_after))
    fixed = Renewal(house.database, house.clock, replace(house.authority, profile=profile))
    with pytest.raises(Refused, match="renewal-pointless") as refused:
        fixed.renew(terminal.der, new_request().pem)
    assert refused.value.facts["last_day"] == tokyo_date(terminal.old.not_after).isoformat()
    assert terminal.renewals() == []


def test_a_certificate_of_others_and_none_at_all_are_foreign(
    terminal: Renewable, postgresql_database: Database, tmp_path: Path, clock: SettableClock
) -> None:
    stranger = build_house(postgresql_database, tmp_path / "stranger", clock)
    foreign = stranger.issue().certificate.der
    assert terminal.told(by=foreign) == "certificate-foreign"
    assert terminal.told(by=terminal.house.issuing.issuer.der) == "certificate-foreign"
    assert terminal.told(by=b"no certificate") == "certificate-unreadable"


def test_a_certificate_that_a_reissue_superseded_renews_nothing(terminal: Renewable) -> None:
    house = terminal.house
    house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    house.redemption.redeem(house.codes_of(terminal.terminal), new_request().pem, SOURCE)
    assert terminal.told() == "certificate-revoked"


def test_a_reissue_that_is_retrieved_ends_both_certificates_of_a_renewal(terminal: Renewable) -> None:
    house = terminal.house
    renewed = terminal.renew()
    house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    reissued = house.redemption.redeem(house.codes_of(terminal.terminal), new_request().pem, SOURCE)
    good = {serial for serial, state in terminal.states().items() if state == VALID}
    assert good == {reissued.certificate.serial}
    assert terminal.renewals() == ["settled"]
    assert terminal.told(by=renewed.certificate.der) == "certificate-revoked"


def test_revocation_ends_both_certificates_of_a_renewal(terminal: Renewable) -> None:
    renewed = terminal.renew()
    assert terminal.house.endings.revoke(terminal.terminal, Reason.KEY_COMPROMISE, SECURITY)
    assert set(terminal.states().values()) == {REVOKED}
    assert terminal.told(by=renewed.certificate.der) == "certificate-revoked"
    assert ledger.faults(terminal.house, []) == []


def test_suspension_holds_both_certificates_and_resumption_releases_both(terminal: Renewable) -> None:
    request = new_request()
    renewed = terminal.renew(request)
    terminal.house.endings.suspend(terminal.terminal, SECURITY)
    assert set(terminal.states().values()) == {HELD}
    assert terminal.told(request) == "terminal-suspended"
    terminal.house.endings.resume(terminal.terminal, SECURITY)
    assert terminal.told(request) == "fetched"
    assert terminal.log_on(renewed.certificate.der) == "permitted"


def test_open_codes_do_not_keep_a_terminal_from_renewing(terminal: Renewable) -> None:
    terminal.house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    assert terminal.told() == "renewed"
    assert id_notices.expire_due(terminal.house.database, terminal.house.clock.now()) == 0
