"""pkilint reads what the doors of a running house give out: certificates, lists, status answers. Thousands: the files beside."""

from datetime import timedelta

from ca import revocation
from ca.ceremony import RESPONDER, server_key_name, service_certificate
from ca.revocation import Reason
from kernel.clock import tokyo_date
from tests.ca.ocsp_requests import cert_id, nonce, request
from tests.interop.pkilint_rules import in_answers, in_certificates, in_lists
from tests.interop.programs import Papers
from tests.support.open_doors import OpenDoors


def test_certificates_that_were_really_retrieved_are_without_finding(doors: OpenDoors) -> None:
    ahead = tokyo_date(doors.house.clock.now()) + timedelta(days=30)
    issued = [doors.house.issue(start_date=start).certificate.der or b"" for start in (None, ahead) for _ in range(10)]
    assert in_certificates(issued) == set()


def test_our_own_certificates_are_without_finding(doors: OpenDoors) -> None:
    house = doors.house
    services = [service_certificate(house.database, name) for name in (RESPONDER, server_key_name("retrieval"))]
    assert in_certificates([house.root.der, house.issuing.issuer.der, *services]) == set()


def test_lists_are_without_finding(doors: OpenDoors, papers: Papers) -> None:
    for reason in Reason:
        record, _ = papers.certificate()
        papers.revoke(record, reason)
        assert in_lists([doors.house.crl.file.read_bytes()]) == set()
    assert in_lists([(doors.house.crl_folder / "root.crl").read_bytes()]) == set()


def test_status_answers_of_every_kind_are_without_finding(doors: OpenDoors, papers: Papers) -> None:
    house = doors.house
    serials = ["123456"]
    for reason in (None, *Reason):
        record, _ = papers.certificate()
        serials.append(record.serial)
        if reason is not None:
            papers.revoke(record, reason)
    held, _ = papers.certificate()
    with house.database.transaction() as session:
        revocation.hold(session, held.issuer, held.serial, now=house.clock.now())
    asked = [
        cert_id(house.issuing.issuer, serial, algorithm) for serial in [*serials, held.serial] for algorithm in ("sha1", "sha256")
    ]
    answers = [house.responder.answer(request(one), house.clock.now()).der for one in asked]
    answers.append(house.responder.answer(request(*asked, extensions=[nonce(b"0123456789abcdef")]), house.clock.now()).der)
    assert in_answers(answers) == set()
