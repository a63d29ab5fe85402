"""The jobs' process makes notices with the home's own keys; a home without a signer of documents says what it misses."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca import certificates, revocation
from ca.plan import DOCUMENTS
from ca.revocation import Reason
from enrollment.documents import store
from enrollment.documents.examination import Outcome
from enrollment.documents.examiner import examine
from kernel.clock import SystemClock
from registry.applications import decisions
from server import settings
from server.documenting import approval_notices_of, equipment_of
from server.trouble import Trouble
from server.wiring import database_of
from tests.support.demo import found_demo


def test_a_home_makes_its_notices_and_tells_when_it_has_no_signer(tmp_path: Path) -> None:
    demo = found_demo(tmp_path)
    demo.run("demo", "codes", "--terminals", "2")
    assert "1 done" in demo.run("jobs", "run", "notices").stdout
    chosen = settings.load(demo.home)
    database, now = database_of(chosen), SystemClock().now()
    with database.snapshot() as session:
        [decision] = decisions.approved(session)
        notice = store.latest(session, decision.receipt_number)
        assert notice is not None
        content = store.content_of(session, notice)
        signer = next(one for one in certificates.of_subject(session, DOCUMENTS))
    assert approval_notices_of(chosen, database).make_due(now) == 0
    roots = [root.public_bytes(Encoding.DER) for root in equipment_of(chosen, database, now).signer.roots]
    found = examine(content, roots, now + timedelta(minutes=1))
    assert (found.outcome, found.certificate) == (Outcome.WHOLE, signer.der)
    with database.transaction() as session:
        revocation.revoke(session, signer.issuer, signer.serial, reason=Reason.SUPERSEDED, now=now)
    with pytest.raises(Trouble, match="ceremony"):
        equipment_of(chosen, database, now)
    database.dispose()
