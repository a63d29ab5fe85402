import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from ca import terms
from ca.ceremony import Ceremony, usual_plan
from ca.certificates import CertificateState
from ca.plan import Plan
from ca.profiles import Addresses
from ca.tables import CertificateRow
from kernel.database import Database, connect
from tests.ca.test_ceremony import CrashError, Fuse, FusedKeys, fused
from tests.ca.test_ceremony_rollover import with_new_root, with_successor
from tests.ca.trial import NOW
from tests.support.recorded import recorded
from tests.support.statements import sharing_statements

pytestmark = pytest.mark.slow
ADDED = {"root-2", "root-2-by-root", "root-by-root-2", "issuing-2", "ocsp-2"}


def _plans(folder: Path) -> tuple[Plan, Plan]:
    plan = usual_plan("Trial Network", Addresses("http://status.example.jp"), {}, folder / "published")
    grown = with_new_root(with_successor(plan, NOW + timedelta(days=10)))
    # Below the new root, so that everything that is new hangs together.
    moved = (dataclasses.replace(one, under="root-2") if one.name == "issuing-2" else one for one in grown.authorities)
    return plan, dataclasses.replace(grown, authorities=tuple(moved))


def _hold(database: Database, folder: Path, plan: Plan, fuse: Fuse) -> bool:
    return Ceremony(database, FusedKeys(folder / "keys", b"secret", fuse), plan).hold(NOW)


def _found(database: Database, folder: Path, plan: Plan) -> None:
    _hold(database, folder, plan, Fuse(0))


def _survives(database: Database, folder: Path, plan: Plan, fuse: Fuse) -> bool:
    with fused(database, fuse):
        try:
            _hold(database, folder, plan, fuse)
        except CrashError:
            return False
    return True


def _assert_grown(database: Database, folder: Path) -> None:
    with database.snapshot() as session:
        rows = list(session.scalars(select(CertificateRow).where(CertificateRow.subject.in_(ADDED))))
        agreed = terms.load(session, "issuing-2")
    assert sorted(row.subject for row in rows) == sorted(ADDED)
    assert {row.state for row in rows} == {CertificateState.VALID}
    by_name = {row.subject: x509.load_der_x509_certificate(row.der or b"") for row in rows}
    by_name["issuing-2"].verify_directly_issued_by(by_name["root-2"])
    by_name["root-by-root-2"].verify_directly_issued_by(by_name["root-2"])
    assert by_name["root-2-by-root"].public_key() == by_name["root-2"].public_key()
    assert agreed is not None
    assert agreed.issues_from == NOW + timedelta(days=10)
    assert sorted(file.name for file in (folder / "published").glob("*.crl")) == [
        "issuing-1.crl",
        "issuing-2.crl",
        "root-2.crl",
        "root.crl",
    ]


def test_growth_that_is_cut_off_at_any_step_is_taken_up_where_it_stopped(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path: Path
) -> None:  # fmt: skip
    step, is_over = 0, False
    while not is_over:
        step += 1
        folder = tmp_path / str(step)
        plan, grown = _plans(folder)
        with sqlite_databases() as url:
            database = sharing_statements(connect(url))
            recorded(
                "what is to grow", database, (folder / "keys", folder / "published"), partial(_found, database, folder, plan)
            )
            is_over = _survives(database, folder, grown, Fuse(step))
            _hold(database, folder, grown, Fuse(0))
            _assert_grown(database, folder)
            assert not _hold(database, folder, grown, Fuse(0))
            database.dispose()
    assert step > 30  # three keys, five certificates, two issuers with terms, two lists: the harness did cut
