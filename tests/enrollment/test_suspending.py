import pytest

from ca import certificates
from ca.certificates import CertificateState
from enrollment.ending import Endings
from enrollment.suspending import BulkSuspension, Concerned
from kernel import audit
from kernel.errors import Refused
from tests.support.house import House

ACTOR = audit.operator("bulk")


@pytest.fixture
def bulk(house: House) -> BulkSuspension:
    return BulkSuspension(Endings(house.database, house.clock))


def _state(house: House, terminal: str) -> list[CertificateState]:
    with house.database.snapshot() as session:
        return [certificate.state for certificate in certificates.of_subject(session, terminal)]


def test_terminals_that_changed_meanwhile_are_passed_over(house: House, bulk: BulkSuspension) -> None:
    one, other = sorted(house.issue().terminal for _ in range(2))
    assert bulk.preview([one, other, "00000A", one], lift=False) == Concerned((one, other), (), ("00000A",))
    bulk.endings.suspend(one, ACTOR)
    told: list[tuple[int, int]] = []
    assert bulk.carry_out([one, other], ACTOR, lambda done, total: told.append((done, total)), lift=False) == 1
    assert told == [(1, 2), (2, 2)]
    assert _state(house, one) == _state(house, other) == [CertificateState.HELD]
    assert bulk.preview([one, other], lift=False) == Concerned((), (one, other), ())
    assert bulk.preview([one, other], lift=True) == Concerned((one, other), (), ())


def test_another_refusal_ends_the_deed(bulk: BulkSuspension) -> None:
    with pytest.raises(Refused, match="terminal-unknown"):
        bulk.carry_out(["00000A"], ACTOR, lift=False)
