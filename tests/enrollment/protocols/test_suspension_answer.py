"""A terminal that asks after itself reads since when and by which rule it is suspended."""

from datetime import timedelta

from enrollment.deadlines.deadlines import Deadlines
from enrollment.protocols.terminal_answers import state_answer
from enrollment.reissue_records import ReissueReason
from kernel.clock import day_start
from tests.support.clock import SettableClock
from tests.support.house import PREPARER, SECURITY, House


def test_the_state_names_day_and_rule(house: House, clock: SettableClock) -> None:
    retrieved = house.issue()
    assert state_answer(house.own_states.of(retrieved.certificate.der)).suspension is None
    asked = house.reissues.request(retrieved.terminal, ReissueReason.PC_REPLACED, SECURITY)
    assert asked.ready_on
    clock.instant = day_start(asked.ready_on)
    ends_on = house.reissue_preparation.prepare(asked.id, PREPARER).ends_on
    assert ends_on
    clock.instant = day_start(ends_on + timedelta(days=1))
    Deadlines(house.database).suspend_due(clock.now())
    told = state_answer(house.own_states.of(retrieved.certificate.der)).model_dump(mode="json")
    assert (told["state"], told["suspension"]) == ("suspended", {"since": (ends_on + timedelta(days=1)).isoformat(), "rule": 3})


def test_what_staff_suspended_has_no_rule(house: House) -> None:
    retrieved = house.issue()
    house.endings.suspend(retrieved.terminal, SECURITY)
    told = state_answer(house.own_states.of(retrieved.certificate.der)).model_dump(mode="json")
    assert told["suspension"]["rule"] is None
