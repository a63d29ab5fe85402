import dataclasses
from datetime import timedelta

import pytest
from cryptography import x509

from ca import blocked_keys
from ca.ceremony import Service, service
from ca.ceremony_check import newest
from ca.certificates import of_subject
from ca.plan import Plan
from ca.requests import spki_digest
from ca.yaml_lines import FileFault
from enrollment.blocking import KeyBlocking
from kernel import audit
from kernel.errors import Refused
from keys.algorithms import algorithm_of
from tests.ca.ocsp_requests import Told, cert_id, request
from tests.ca.test_ceremony_renewal import SERVICES, SOON, _Gone, renewals_of
from tests.ca.test_ceremony_rollover import hold, responder_of
from tests.support.clock import SettableClock
from tests.support.house import House


def rekeyed(plan: Plan, name: str, key: int = 2, algorithm: str = "p256") -> Plan:
    """Return a plan that gives a service another key."""
    services = (dataclasses.replace(one, key=key, algorithm=algorithm) if one.name == name else one for one in plan.services)
    return dataclasses.replace(plan, services=tuple(services))


def certificate(standing: Service) -> x509.Certificate:
    return x509.load_der_x509_certificate(standing.certificate)


def test_a_responder_gets_a_new_key_by_the_ceremony_and_answers_with_it(house: House) -> None:
    old = certificate(service(house.database, "ocsp"))
    plan = rekeyed(house.plan, "ocsp")
    assert hold(house, plan)
    assert not hold(house, plan)
    standing = service(house.database, "ocsp")
    new = certificate(standing)
    assert standing.key_name == "ocsp.2"
    assert new.public_key() == house.keys.open_signing("ocsp.2").public_key() != old.public_key()
    assert (new.subject, new.issuer) == (old.subject, old.issuer)
    responder = responder_of(house)
    assert [delegate.certificate for delegate in responder.delegates] == [new]
    answer = responder.answer(request(cert_id(house.issuing.issuer, "7f")), house.clock.now())
    assert Told(answer.der, house.issuing.issuer).statuses == ["unknown"]


def test_a_new_key_may_be_of_another_kind_and_an_old_one_never_comes_back(house: House) -> None:
    hold(house, rekeyed(house.plan, "timestamp", 2, "p384"))
    assert algorithm_of(certificate(service(house.database, "timestamp")).public_key()).name == "p384"
    with pytest.raises(FileFault, match="timestamp: is on its key 2, and no older one comes back"):
        hold(house, house.plan)
    with pytest.raises(FileFault, match="different are algorithm"):
        hold(house, rekeyed(house.plan, "timestamp", 2, "p256"))
    assert hold(house, rekeyed(house.plan, "timestamp", 4, "p256"))


def test_renewals_stay_on_the_newest_key(house: House, clock: SettableClock) -> None:
    plan = rekeyed(house.plan, "tls-retrieval")
    hold(house, plan)
    clock.advance(SOON + timedelta(hours=1))
    renewals_of(house).renew_due(clock.now())
    standing = service(house.database, "tls-retrieval")
    assert standing.key_name == "tls-retrieval.2"
    assert certificate(standing).public_key() == house.keys.open_signing("tls-retrieval.2").public_key()
    hold(house, plan)  # the root's list is due
    assert not hold(house, plan)


def test_after_a_compromise_a_new_key_puts_a_service_back_to_work(house: House) -> None:
    old = certificate(service(house.database, "tls-retrieval"))
    with house.database.transaction() as session:
        blocked_keys.block(session, spki_digest(old.public_key()), house.clock.now())
    assert hold(house, rekeyed(house.plan, "tls-retrieval"))
    assert certificate(service(house.database, "tls-retrieval")).public_key() != old.public_key()


def test_a_renewal_that_waits_when_its_key_is_compromised_is_given_up_and_a_new_key_follows(
    house: House, clock: SettableClock
) -> None:
    clock.advance(SOON + timedelta(hours=1))
    gone = dataclasses.replace(house.issuing, key=_Gone(house.issuing.key))  # type: ignore[arg-type]
    renewals = dataclasses.replace(renewals_of(house), signer_of=lambda _issuer: gone)
    with pytest.raises(Exception, match="custody of keys"):
        renewals.renew_due(clock.now())
    key = certificate(service(house.database, "ocsp")).public_key()
    KeyBlocking(house.database, clock).block([spki_digest(key)], audit.operator("test"))
    with house.database.snapshot() as session:
        assert [one.state for one in of_subject(session, "ocsp")] == ["abandoned", "revoked"]
    renewals_of(house).renew_due(clock.now())
    with pytest.raises(Refused, match="key-blocked"):
        hold(house, house.plan)
    assert hold(house, rekeyed(house.plan, "ocsp"))
    assert service(house.database, "ocsp").key_name == "ocsp.2"


def test_a_renewal_that_was_cut_off_before_the_new_key_is_finished_first(house: House, clock: SettableClock) -> None:
    clock.advance(SOON + timedelta(hours=1))
    gone = dataclasses.replace(house.issuing, key=_Gone(house.issuing.key))  # type: ignore[arg-type]
    renewals = dataclasses.replace(renewals_of(house), signer_of=lambda _issuer: gone)
    with pytest.raises(Exception, match="custody of keys"):
        renewals.renew_due(clock.now())
    hold(house, rekeyed(house.plan, "ocsp"))
    with house.database.snapshot() as session:
        last = newest(session, "ocsp")
    assert last is not None
    assert last.key_name == "ocsp.2"
    assert renewals_of(house).renew_due(clock.now()) == len(SERVICES) - 1
