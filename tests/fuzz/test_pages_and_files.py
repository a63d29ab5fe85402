"""20,000 inputs for every reader of what people send, and of what we fetch; each planted fault is caught first."""

from collections.abc import Callable

import pytest

from tests.fuzz.targets import PAGES_AND_FILES
from tests.fuzz.trial import Difference, Read, Target

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
by_name = pytest.mark.parametrize("target", PAGES_AND_FILES, ids=lambda target: target.name)


@pytest.mark.parametrize(
    ("target", "planted"),
    [
        pytest.param(target, planted, id=f"{target.name}, {planted.__name__.strip('_')}")
        for target in PAGES_AND_FILES
        for planted in target.planted
    ],
)
def test_the_trial_catches_planted_faults(target: Target, planted: Callable[[Read], Read]) -> None:
    with pytest.raises(Difference):
        target.try_planted(planted)


@by_name
def test_whatever_comes_is_read_rightly_or_refused(target: Target) -> None:
    target.try_all()


@by_name
def test_good_inputs_are_taken_and_no_beginning_of_them_raises(target: Target) -> None:
    target.try_beginnings()
