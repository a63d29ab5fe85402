"""A ceremony after something of ours was revoked or given up: what was ended founds nothing more."""

import dataclasses

import pytest
from cryptography import x509

from ca import revocation
from ca.ceremony import service
from ca.ceremony_check import newest
from ca.plan import ISSUING_CRL, AuthorityPlan, Plan, ServiceKind, ServicePlan
from ca.revocation import Reason
from ca.yaml_lines import FileFault
from tests.ca.test_ceremony_keys import rekeyed
from tests.ca.test_ceremony_rollover import CHANGE, hold, issuer_named, with_successor
from tests.support.clock import SettableClock
from tests.support.house import House

POST = ServicePlan("post", ServiceKind.MAIL, "Center", "p256", 1, "issuing-1", mail="a@example.jp")
ENDED = "issuing-1 would have to sign, and its certificate is revoked: put it under another one"


def added(plan: Plan, *services: ServicePlan) -> Plan:
    return dataclasses.replace(plan, services=(*plan.services, *services))


def moved(plan: Plan, name: str, under: str) -> Plan:
    services = (dataclasses.replace(one, under=under) if one.name == name else one for one in plan.services)
    return dataclasses.replace(plan, services=tuple(services))


def end(house: House, name: str) -> None:
    """Revoke the newest certificate of one of our own, for no compromise."""
    with house.database.transaction() as session:
        row = newest(session, name)
        assert row is not None
        revocation.revoke(session, row.issuer, row.serial, reason=Reason.SUPERSEDED, now=house.clock.now())


def test_a_revoked_authority_founds_nothing_more(house: House) -> None:
    end(house, "issuing-1")
    below = AuthorityPlan("issuing-9", "Trial Issuing CA 9", "p256", 8, "issuing-1", *ISSUING_CRL)
    deeper = dataclasses.replace(house.plan, authorities=(*house.plan.authorities, below))
    for plan, name in (
        (added(house.plan, POST), "post"),
        (rekeyed(house.plan, "tls-retrieval"), "tls-retrieval"),
        (deeper, "issuing-9"),
    ):
        with pytest.raises(FileFault, match=f"{name}: {ENDED}"):
            hold(house, plan)
    assert not house.keys.exists("post")
    assert not hold(house, house.plan)  # what stands goes on


def test_what_answers_for_a_revoked_authority_may_still_get_a_new_key(house: House) -> None:
    end(house, "issuing-1")
    assert hold(house, rekeyed(house.plan, "ocsp"))
    assert service(house.database, "ocsp").key_name == "ocsp.2"


def test_a_service_of_a_revoked_authority_gets_its_next_key_from_another_one(house: House, clock: SettableClock) -> None:
    plan = with_successor(house.plan, clock.now() + CHANGE)
    hold(house, plan)
    with pytest.raises(FileFault, match=r"tls-retrieval: stands since .* different are under"):
        hold(house, moved(rekeyed(plan, "tls-retrieval"), "tls-retrieval", "issuing-2"))
    end(house, "issuing-1")
    after = moved(rekeyed(plan, "tls-retrieval"), "tls-retrieval", "issuing-2")
    assert hold(house, after)
    assert not hold(house, after)
    certificate = x509.load_der_x509_certificate(service(house.database, "tls-retrieval").certificate)
    certificate.verify_directly_issued_by(issuer_named(house, "issuing-2").certificate)
    with pytest.raises(FileFault, match=r"ocsp: stands since .* different are under"):
        hold(house, moved(plan, "ocsp", "issuing-2"))
