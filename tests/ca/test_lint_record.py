from contextlib import AbstractContextManager

import pytest
from sqlalchemy import select

from ca import lint_record
from ca.lint import LintError
from kernel import audit
from kernel.audit import AuditEntry
from tests.support.house import House


def _recorded(house: House) -> list[AuditEntry]:
    with house.database.snapshot() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == "certificate.lint")))


def test_a_finding_is_on_record_before_it_is_told(house: House) -> None:
    with pytest.raises(LintError), lint_record.kept(house.database, "terminal:99999W", house.clock.now()):
        raise LintError(["version is not 3", "subject is not the terminal"])
    [entry] = _recorded(house)
    assert entry.subject == "terminal:99999W"
    assert entry.facts["findings"] == "version is not 3; subject is not the terminal"


def test_nothing_is_recorded_of_what_passes_or_fails_otherwise(house: House) -> None:
    with lint_record.kept(house.database, "terminal:99999W", house.clock.now()):
        pass
    with pytest.raises(LookupError), lint_record.kept(house.database, "terminal:99999W", house.clock.now()):
        raise LookupError
    assert _recorded(house) == []


def test_what_a_job_finds_again_is_recorded_once_until_something_was_issued(house: House) -> None:
    def find(finding: str, *, is_told_once: bool = True) -> int:
        with pytest.raises(LintError), kept(is_told_once=is_told_once):
            raise LintError([finding])
        return len(_recorded(house))

    def kept(*, is_told_once: bool) -> AbstractContextManager[None]:
        return lint_record.kept(house.database, "service:post", house.clock.now(), is_told_once=is_told_once)

    assert [find("one"), find("one"), find("another"), find("one"), find("another")] == [1, 1, 2, 2, 2]
    with house.database.transaction() as session:
        actor = audit.job("renewal")
        audit.record(session, now=house.clock.now(), actor=actor, action="certificate.issue", subject="service:post")
    assert [find("one"), find("one"), find("one", is_told_once=False)] == [3, 3, 4]
