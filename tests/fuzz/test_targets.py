"""20,000 inputs for every reader; each planted fault is caught first."""

from collections.abc import Callable
from itertools import islice

import pytest

from tests.fuzz.targets import TARGETS
from tests.fuzz.trial import INPUTS, Difference, Read, Target

# pyca warns of names and serial numbers that it reads and RFC 5280 forbids.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
by_name = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@pytest.mark.parametrize(
    ("target", "planted"),
    [
        pytest.param(target, planted, id=f"{target.name}, {planted.__name__.strip('_')}")
        for target in TARGETS
        for planted in target.planted
    ],
)
def test_the_trial_catches_planted_faults(target: Target, planted: Callable[[Read], Read]) -> None:
    careless = planted(target.open())
    with pytest.raises(Difference):
        for content in islice(target.inputs(), INPUTS):
            target.judge(careless, content)


@by_name
def test_whatever_comes_is_read_rightly_or_refused(target: Target) -> None:
    read = target.open()
    taken = sum(target.judge(read, content) for content in islice(target.inputs(), INPUTS))
    assert target.fewest <= taken < INPUTS


@by_name
def test_good_inputs_are_taken_and_no_beginning_of_them_raises(target: Target) -> None:
    read = target.open()
    for whole in target.seeds():
        assert target.judge(read, whole)
        for length in range(len(whole)):
            target.judge(read, whole[:length])
