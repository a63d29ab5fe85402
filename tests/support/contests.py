"""Whether some kinds of a deed take longer than others: ranks of the processor's times (Mann and Whitney).

Ranks, so that no outlier weighs more than another. A contest goes on while it is open, round after round: on a quiet machine a
leak shows itself in the first one, and what else a busy machine does only puts it off. Fair kinds and planted leaks are judged
by the same rule, so that the leaks which are seen say what would have been seen.
"""

import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# In standard deviations. Beyond FAR a fair contest comes once in some millions of runs (two-sided, standard normal); within
# NEAR nothing points to a difference, and no further round is played.
FAR = 5.0
NEAR = 1.5
ROUNDS = 6


def compared(
    kinds: Mapping[str, Callable[[], object]],
    moods: random.Random,
    *,
    each: int,
    before: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Return by how many standard deviations the processor's times of each kind are above those of the first.

    In a round the kinds take `each` turns in random order, so that whatever else this machine does strikes all of them;
    `before` is done before each try and not counted.
    """
    times: dict[str, list[int]] = {kind: [] for kind in kinds}
    first, *others = times
    found: dict[str, float] = {}
    with _undisturbed():
        for _ in range(ROUNDS):
            for _ in range(each):
                for kind in moods.sample(list(kinds), len(kinds)):
                    before()
                    begin = time.thread_time_ns()
                    kinds[kind]()
                    times[kind].append(time.thread_time_ns() - begin)
            found = {kind: _above(times[kind], times[first]) for kind in others}
            if all(abs(deviations) < NEAR or abs(deviations) > FAR for deviations in found.values()):
                break
    return found


def _above(ones: list[int], others: list[int]) -> float:
    """Return by how many standard deviations the sum of ranks of `ones` is above a fair one."""
    ranked = sorted([(value, 1) for value in ones] + [(value, 0) for value in others])
    ranks = sum(rank for rank, (_, is_one) in enumerate(ranked, start=1) if is_one)
    count, other = len(ones), len(others)
    expected = count * (count + other + 1) / 2
    return float((ranks - expected) / (count * other * (count + other + 1) / 12) ** 0.5)


@contextmanager
def _undisturbed() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
