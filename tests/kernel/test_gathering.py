import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from sqlalchemy.exc import IntegrityError

from kernel.errors import Unavailable
from kernel.gathering import ALONE, MOST, Alone, Company, Gathering, RoundFailed


@dataclass
class Counter:
    """Work that waits in its first round until it is let go on, and remembers its rounds."""

    rounds: list[list[int]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    trouble: Exception | None = None

    def work(self, items: Sequence[int]) -> list[int | Alone]:
        self.rounds.append(list(items))
        self.go_on.wait(60)
        if self.trouble is not None:
            raise self.trouble
        return [ALONE if item < 0 else 2 * item for item in items]


def _gathered(counter: Counter, items: Sequence[int]) -> list[int | Alone | Exception]:
    """Submit items one after the other while the first one's round goes on, and return what each got."""
    gathering, company = Gathering(counter.work, Company()), len(items)

    def submit(item: int) -> int | Alone | Exception:
        try:
            return gathering.submit(item)
        except Unavailable as trouble:
            return trouble

    with ThreadPoolExecutor(company) as threads:
        futures = [threads.submit(submit, items[0])]
        while not counter.rounds:
            pass
        futures += [threads.submit(submit, item) for item in items[1:]]
        while len(gathering._waiting) < company - 1:  # noqa: SLF001 (nothing else tells that all have come)
            pass
        counter.go_on.set()
        return [future.result(60) for future in futures]


def test_whoever_comes_while_a_round_is_done_is_in_the_next_one() -> None:
    counter = Counter()
    assert _gathered(counter, [1, 2, 3, 4]) == [2, 4, 6, 8]
    assert [sorted(round_) for round_ in counter.rounds] == [[1], [2, 3, 4]]


def test_a_round_is_bounded_and_the_rest_comes_in_the_one_after() -> None:
    counter = Counter()
    items = list(range(MOST + 6))
    assert _gathered(counter, items) == [2 * item for item in items]
    assert [len(round_) for round_ in counter.rounds] == [1, MOST, 5]


def test_one_of_a_round_may_be_told_to_go_alone() -> None:
    assert _gathered(Counter(), [1, -1, 3]) == [2, ALONE, 6]


def test_a_fault_sends_each_of_its_round_alone_and_the_next_round_is_done() -> None:
    counter = Counter(trouble=ValueError("of somebody"))
    assert _gathered(counter, [1, 2, 3]) == [ALONE, ALONE, ALONE]
    counter.trouble = None
    assert _gathered(counter, [4]) == [8]


def test_a_fault_leaves_a_line_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    _gathered(Counter(trouble=ValueError("1234567890123")), [1])
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    assert said.startswith("a round of 1 came to nothing, each is done alone: ValueError at kernel.gathering.Gathering._lead:")
    assert f"{__name__}.Counter.work:" in said
    assert "1234567890123" not in caplog.text


@pytest.mark.parametrize("trouble", [RoundFailed(), IntegrityError("INSERT", {}, ValueError())], ids=["failed", "integrity"])
def test_a_round_that_fails_as_is_expected_leaves_no_line(trouble: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert _gathered(Counter(trouble=trouble), [1, 2]) == [ALONE, ALONE]
    assert caplog.records == []


def test_trouble_of_the_database_is_everybodys() -> None:
    got = _gathered(Counter(trouble=Unavailable("away")), [1, 2, 3])
    assert [type(one) for one in got] == [Unavailable] * 3


def test_what_ends_the_leader_leaves_nobody_waiting() -> None:
    entered, leave = threading.Event(), threading.Event()

    def work(items: Sequence[int]) -> list[int | Alone]:
        if items[0] == 1:
            entered.set()
            leave.wait(60)
            raise SystemExit
        return list(items)

    gathering = Gathering(work, Company())
    with ThreadPoolExecutor(2) as threads:
        leader = threads.submit(gathering.submit, 1)
        entered.wait(60)
        follower = threads.submit(gathering.submit, 2)
        leave.set()
        assert follower.result(60) == 2
        with pytest.raises(SystemExit):
            leader.result(60)
