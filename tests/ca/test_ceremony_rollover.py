import dataclasses
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import issuers, revocation, served_lists, terms
from ca.authority import Authority, Succession
from ca.ceremony import Ceremony, service_certificate
from ca.crl import CrlPublisher, crl_file
from ca.issuers import Issuer, SigningIssuer
from ca.ocsp import Responder
from ca.ocsp_delegations import delegations
from ca.ocsp_responses import Delegate
from ca.plan import ISSUING_CRL, ROOT_CRL, AuthorityPlan, Plan, ServiceKind, ServicePlan
from ca.revocation import Reason
from ca.yaml_lines import FileFault
from enrollment.redemption import Redemption, Retrieved
from kernel import audit
from kernel.errors import Unavailable
from keys.trouble import KeyTroubleError
from tests.ca.ocsp_requests import Told, cert_id, request
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, new_request

CHANGE = timedelta(days=10)
OPERATOR = audit.operator("test")


def with_successor(plan: Plan, begin: datetime) -> Plan:
    """Return a plan with a second issuing CA that issues from an instant on."""
    second = AuthorityPlan("issuing-2", "Trial Issuing CA 2", "p384", 8, "root", *ISSUING_CRL, issues_from=begin)
    responder = ServicePlan("ocsp-2", ServiceKind.OCSP, "Trial OCSP responder 2", "p256", 2, "issuing-2")
    return dataclasses.replace(plan, authorities=(*plan.authorities, second), services=(*plan.services, responder))


def with_new_root(plan: Plan) -> Plan:
    """Return a plan with a second root, linked with the first."""
    second = AuthorityPlan("root-2", "Trial Root 2", "p384", 25, None, *ROOT_CRL, replaces="root")
    return dataclasses.replace(plan, authorities=(*plan.authorities[:1], second, *plan.authorities[1:]))


def hold(house: House, plan: Plan) -> bool:
    return Ceremony(house.database, house.keys, plan).hold(house.clock.now())


def succession_of(house: House) -> Succession:
    def open_authority(issuer: Issuer) -> Authority:
        return Authority(SigningIssuer(issuer, house.keys.open_signing(issuer.key_name)), house.profile)

    return Succession(house.database, open_authority)


def redeem(house: House, authorities: Succession) -> Retrieved:
    [(_, codes)] = house.new_codes()
    return Redemption(house.database, house.clock, authorities, house.hasher).redeem(codes, new_request().pem, SOURCE)


def responder_of(house: House) -> Responder:
    with house.database.snapshot() as session:
        found = delegations(session, house.clock.now())
    return Responder(
        house.database, [Delegate(one.issuer, one.certificate, house.keys.open_signing(one.key_name)) for one in found]
    )


def issuer_named(house: House, name: str) -> Issuer:
    with house.database.snapshot() as session:
        issuer = issuers.load(session, name)
    assert issuer is not None
    return issuer


def publish_all(house: House) -> list[str]:
    """Publish as the job does and return whose lists there were."""
    with house.database.snapshot() as session:
        telling = terms.telling_status(session, house.clock.now())
    for issuer, agreed in telling:
        signer = SigningIssuer(issuer, house.keys.open_signing(issuer.key_name))
        CrlPublisher(
            house.database, signer, house.crl_folder, period=agreed.crl_period, lifetime=agreed.crl_lifetime
        ).publish_if_due(house.clock.now())
    return [issuer.name for issuer, _ in telling]


def verify(folder: Path, at: datetime, anchor: bytes, between: Sequence[bytes], leaf: bytes) -> str:
    """Let OpenSSL build and judge the path; all DER."""
    for name, ders in (("anchor", [anchor]), ("between", between), ("leaf", [leaf])):
        pem = b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders)
        (folder / f"{name}.pem").write_bytes(pem)
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(at.timestamp())), "-CAfile", str(folder / "anchor.pem")]
    judged = subprocess.run(
        [*command, "-untrusted", str(folder / "between.pem"), str(folder / "leaf.pem")],
        capture_output=True,
        text=True,
        check=False,
    )
    return "OK" if judged.returncode == 0 else judged.stderr


def test_a_new_issuing_ca_takes_over_at_its_instant_and_both_tell_status(
    house: House, clock: SettableClock, tmp_path: Path
) -> None:  # fmt: skip
    begin = clock.now() + CHANGE
    assert hold(house, with_successor(house.plan, begin))
    assert crl_file(house.crl_folder, "issuing-2").exists()  # published before it is used
    authorities = succession_of(house)
    clock.instant = begin - timedelta(seconds=1)
    old = redeem(house, authorities)
    clock.instant = begin
    new = redeem(house, authorities)
    assert (old.certificate.issuer, new.certificate.issuer) == ("issuing-1", "issuing-2")
    root = house.root.der
    for retrieved in (old, new):
        chain = [link.der for link in retrieved.chain]
        assert verify(tmp_path, clock.now(), root, chain, retrieved.certificate.der or b"") == "OK"
    for retrieved in (old, new):
        house.endings.revoke(retrieved.terminal, Reason.SUPERSEDED, OPERATOR)
    assert publish_all(house) == ["issuing-1", "issuing-2"]
    responder = responder_of(house)
    for retrieved in (old, new):
        issuer, serial = issuer_named(house, retrieved.certificate.issuer), retrieved.certificate.serial
        crl = x509.load_der_x509_crl(crl_file(house.crl_folder, issuer.name).read_bytes())
        assert crl.is_signature_valid(issuer.public_key)
        assert crl.get_revoked_certificate_by_serial_number(int(serial, 16))
        answer = responder.answer(request(cert_id(issuer, serial)), clock.now())
        assert Told(answer.der, issuer).statuses == ["revoked"]


def test_the_old_one_tells_status_until_its_last_certificate_has_ended(house: House, clock: SettableClock) -> None:
    begin = clock.now() + CHANGE
    hold(house, with_successor(house.plan, begin))
    # The services below it have two years; one of a terminal would have one.
    clock.instant = begin + timedelta(days=700)
    assert publish_all(house) == ["issuing-1", "issuing-2"]
    clock.instant = begin + timedelta(days=730)
    assert publish_all(house) == ["issuing-2"]


def test_an_instant_ahead_may_be_moved_and_one_that_has_come_may_not(house: House, clock: SettableClock) -> None:
    begin = clock.now() + CHANGE
    hold(house, with_successor(house.plan, begin))
    assert hold(house, with_successor(house.plan, begin + CHANGE))
    assert not hold(house, with_successor(house.plan, begin + CHANGE))
    clock.instant = begin + CHANGE
    with pytest.raises(FileFault, match="issuing-2: issues since"):
        hold(house, with_successor(house.plan, begin + 2 * CHANGE))


def test_when_the_turn_of_all_is_over_nothing_is_issued(house: House, clock: SettableClock) -> None:
    authorities = succession_of(house)
    clock.advance(timedelta(days=366 * 10))
    with pytest.raises(Unavailable):
        authorities.at(clock.now())
    with pytest.raises(KeyError):
        authorities.of("nobody")


def test_what_the_old_one_promised_it_signs_after_its_turn(house: House, clock: SettableClock) -> None:
    begin = clock.now() + CHANGE
    hold(house, with_successor(house.plan, begin))
    assert succession_of(house).of("issuing-1").issuer_name == "issuing-1"
    assert succession_of(house).at(begin).issuer_name == "issuing-2"


def test_a_new_root_and_the_old_one_certify_each_other(house: House, clock: SettableClock, tmp_path: Path) -> None:
    plan = with_new_root(house.plan)
    assert hold(house, plan)
    assert not hold(house, plan)
    new, issuing = issuer_named(house, "root-2"), house.issuing.issuer
    new_by_old, old_by_new = (service_certificate(house.database, name) for name in ("root-2-by-root", "root-by-root-2"))
    portal = service_certificate(house.database, "tls-retrieval")
    assert verify(tmp_path, clock.now(), new.der, [issuing.der, old_by_new], portal) == "OK"
    assert "unable to get" in verify(tmp_path, clock.now(), new.der, [issuing.der], portal)
    below = dataclasses.replace(
        plan,
        authorities=(*plan.authorities, AuthorityPlan("issuing-3", "Trial Issuing CA 3", "p256", 5, "root-2", *ISSUING_CRL)),
        services=(*plan.services, ServicePlan("ocsp-3", ServiceKind.OCSP, "Trial OCSP 3", "p256", 2, "issuing-3")),
    )
    hold(house, below)
    responder = service_certificate(house.database, "ocsp-3")
    assert verify(tmp_path, clock.now(), house.root.der, [issuer_named(house, "issuing-3").der, new_by_old], responder) == "OK"


def test_with_the_roots_key_away_what_stands_goes_on_and_what_needs_it_says_so(house: House, clock: SettableClock) -> None:
    house.keys.path("root").rename(house.keys.path("root").with_suffix(".away"))
    assert not hold(house, house.plan)
    clock.advance(timedelta(days=1))
    assert redeem(house, succession_of(house)).certificate.issuer == "issuing-1"
    more = ServicePlan("mail", ServiceKind.MAIL, "Center", "p256", 1, "issuing-1", mail="a@example.jp")
    assert hold(house, dataclasses.replace(house.plan, services=(*house.plan.services, more)))
    keys = sorted(house.keys.folder.iterdir())
    with pytest.raises(FileFault, match="issuing-2: root must sign, and its key is not here"):
        hold(house, with_successor(house.plan, clock.now() + CHANGE))
    with pytest.raises(FileFault, match="root must sign"):
        hold(house, with_new_root(house.plan))
    assert sorted(house.keys.folder.iterdir()) == keys
    clock.advance(timedelta(days=200))
    assert not hold(house, house.plan)  # its list is due, and waits


def test_a_ceremony_that_waits_for_the_root_is_finished_when_it_is_back(house: House, clock: SettableClock) -> None:
    plan = with_successor(house.plan, clock.now() + CHANGE)
    away = house.keys.path("root").rename(house.keys.path("root").with_suffix(".away"))
    with pytest.raises((FileFault, KeyTroubleError)):
        hold(house, plan)
    away.rename(house.keys.path("root"))
    assert hold(house, plan)


def test_a_revoked_issuing_ca_issues_no_more_and_the_one_before_it_goes_on(house: House, clock: SettableClock) -> None:
    begin = clock.now() + CHANGE
    hold(house, with_successor(house.plan, begin))
    clock.instant = begin
    new = issuer_named(house, "issuing-2")
    with house.database.transaction() as session:
        serial = f"{new.certificate.serial_number:x}"
        revocation.revoke(session, "root", serial, reason=Reason.CA_COMPROMISE, now=clock.now())
    authorities = succession_of(house)
    assert authorities.at(clock.now()).issuer_name == "issuing-1"
    assert authorities.of("issuing-2").issuer_name == "issuing-2"
    assert publish_all(house) == ["issuing-1", "issuing-2"]


def test_lists_of_an_issuing_ca_that_is_over_are_missed_by_nobody(house: House, clock: SettableClock) -> None:
    begin = clock.now() + CHANGE
    hold(house, with_successor(house.plan, begin))

    def looked_at() -> set[str]:
        seen: set[str] = set()

        def fetch(address: str) -> bytes:
            seen.add(address.rpartition("/")[2])
            return b""

        served_lists.check(house.database, house.plan.addresses, fetch, clock.now())
        return seen

    assert looked_at() == {"root.crl", "issuing-1.crl", "issuing-2.crl"}
    clock.instant = begin + timedelta(days=730)
    assert looked_at() == {"root.crl", "issuing-2.crl"}
