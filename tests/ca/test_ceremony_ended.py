"""A ceremony after something of ours was revoked or given up: what was ended founds nothing more."""

import dataclasses

import pytest
from cryptography import x509
from sqlalchemy import delete

from ca import blocked_keys, revocation
from ca.ceremony import Promise, issue, service
from ca.ceremony_check import newest
from ca.own_profiles import of_service
from ca.plan import ISSUING_CRL, YEAR, AuthorityPlan, Plan, ServiceKind, ServicePlan
from ca.profiles import BACKDATING, Validity
from ca.revocation import Reason
from ca.service_profiles import service_builder
from ca.signing import certify, to_be_signed
from ca.tables import IssuerRow
from ca.yaml_lines import FileFault
from kernel.errors import Refused
from tests.ca.test_ceremony_keys import rekeyed
from tests.ca.test_ceremony_rollover import CHANGE, hold, issuer_named, with_new_root, with_successor
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


def give_up_promise(house: House, name: str) -> int:
    """Make a certificate of ours as if it was promised, and that given up; return its row."""
    with house.database.transaction() as session:
        row = newest(session, name)
        assert row is not None
        row.state, row.der = "reserved", None
        revocation.abandon(session, row.issuer, row.serial, now=house.clock.now())
        session.execute(delete(IssuerRow).where(IssuerRow.name == name))
        return row.id


@pytest.mark.parametrize("name", ["root-2", "root-2-by-root"])
def test_an_authority_or_link_whose_promise_was_given_up_is_founded_by_the_next_ceremony(house: House, name: str) -> None:
    plan = with_new_root(house.plan)
    hold(house, plan)
    given_up = give_up_promise(house, name)
    assert hold(house, plan)
    assert not hold(house, plan)
    with house.database.snapshot() as session:
        row = newest(session, name)
    assert row is not None
    assert (row.follows, row.state) == (given_up, "valid")


def test_an_authority_whose_key_was_blocked_before_it_stood_needs_another_name(house: House) -> None:
    plan = with_new_root(house.plan)
    hold(house, plan)
    give_up_promise(house, "root-2")
    with house.database.transaction() as session:
        row = newest(session, "root-2")
        assert row is not None
        blocked_keys.block(session, row.spki_sha256, house.clock.now())
    with pytest.raises(FileFault, match=r"root-2: its key is blocked, and it was given up\. Give what is new a name of its own"):
        hold(house, plan)


@pytest.mark.parametrize("code", ["key-blocked", "promise-abandoned"])
def test_what_was_given_up_while_it_was_signed_says_why(house: House, code: str) -> None:
    issuing, key = house.issuing.issuer, house.keys.open_signing("timestamp").public_key()
    validity = Validity(house.clock.now() - BACKDATING, house.clock.now() - BACKDATING + YEAR)

    def compose() -> bytes:
        return to_be_signed(service_builder(house.plan, POST, issuing, key, validity), issuing.public_key)

    def sign(tbs: bytes) -> bytes:
        with house.database.transaction() as session:
            row = newest(session, "post")
            assert row is not None
            revocation.abandon(session, row.issuer, row.serial, now=house.clock.now())
            if code == "key-blocked":
                blocked_keys.block(session, row.spki_sha256, house.clock.now())
        return certify(tbs, house.issuing)

    promise = Promise(of_service(house.plan, POST), issuing.name, compose, sign)
    with pytest.raises(Refused, match=f"^{code} service=post"):
        issue(house.database, promise, house.clock.now())
