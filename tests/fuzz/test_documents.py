"""20,000 uploaded files: each is told to be something, and none but the one that was issued to be whole."""

import logging
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from tests.fuzz.documents import TARGET
from tests.fuzz.trial import INPUTS, Difference, Read

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Let pyHanko tell nobody what it thinks of each file, as in the examiner's own process."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("planted", TARGET.planted, ids=lambda planted: planted.__name__)
def test_the_trial_catches_planted_faults(planted: Callable[[Read], Read]) -> None:
    careless = planted(TARGET.open())
    with pytest.raises(Difference):
        for content in islice(TARGET.inputs(), INPUTS):
            TARGET.judge(careless, content)


def test_whatever_is_uploaded_is_told_to_be_something_and_nothing_but_the_issued_file_is_whole() -> None:
    read = TARGET.open()
    taken = sum(TARGET.judge(read, content) for content in islice(TARGET.inputs(), INPUTS))
    assert TARGET.fewest <= taken < INPUTS


def test_the_good_ones_are_taken() -> None:
    read = TARGET.open()
    assert all(TARGET.judge(read, content) for content in TARGET.seeds())
