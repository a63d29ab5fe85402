"""Trying a reader with many inputs, and judging what it does with each."""

import itertools
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from enrollment.protocols.problems import PROBLEMS
from kernel.errors import Refused
from tests.fuzz import mutation
from tests.fuzz.mutation import Mutator

INPUTS = 20_000
SEED = 20261122
Read = Callable[[bytes], Any]


class NotTaken(Exception):
    """What a target raises for a reader that has no exception of its own for what it does not take."""


class Difference(AssertionError):
    """A reader raised what it must not, or read something else than its judge. `content` is the input."""

    def __init__(self, what: str, content: bytes) -> None:
        super().__init__(f"{what}: {content.hex()}")
        self.content = content


def nothing_more(content: bytes, taken: Any) -> None:  # noqa: ANN401 (what a reader returns is its own matter)
    """Have no second opinion: that nothing else was raised is all that is judged."""
    del content, taken


def trusting_a_length(read: Read) -> Read:
    """Plant a fault: the octet at the place that the second octet names is there."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        _ = content[content[1] + 1]
        return read(content)

    return careless


def trusting_the_text(read: Read) -> Read:
    """Plant a fault: what comes is ASCII."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        content.decode("ascii")
        return read(content)

    return careless


@dataclass(frozen=True)
class Target:
    """A reader of what the network brings.

    `open` makes the reader; it raises one of `refusals` for what it does not take, whose code, where it has one, must be
    among the `codes` that are told somewhere. `agree` raises AssertionError when what was taken means something else to a
    second reader. `planted` are faults that the trial must be shown to catch. Of the seeds' mutations at least `fewest` must
    be taken.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    open: Callable[[], Read]
    refusals: tuple[type[Exception], ...] = (Refused,)
    agree: Callable[[bytes, Any], None] = nothing_more
    mutate: Mutator = mutation.der
    planted: tuple[Callable[[Read], Read], ...] = (trusting_a_length,)
    fewest: int = 50
    codes: Container[object] = frozenset(PROBLEMS)

    def inputs(self, seed: int = SEED) -> Iterator[bytes]:
        """Yield mutated seeds without end, the same for the same number."""
        chance, seeds = Random(seed), tuple(self.seeds())  # noqa: S311 (test material)
        return (self.mutate(chance, seeds) for _ in itertools.count())

    def judge(self, read: Read, content: bytes) -> bool:
        """Return whether an input was taken; raises Difference."""
        try:
            taken = read(content)
        except self.refusals as refusal:
            code = getattr(refusal, "code", None)
            if code is not None and code not in self.codes:
                raise Difference(f"{code} is told nowhere", content) from refusal
            return False
        except Exception as error:
            raise Difference(f"{type(error).__name__}: {error}", content) from error
        try:
            self.agree(content, taken)
        except Exception as error:
            raise Difference(f"taken, though {type(error).__name__}: {error}", content) from error
        return True

    def try_planted(self, planted: Callable[[Read], Read]) -> None:
        """Try the reader with a planted fault, which raises Difference if the trial is any good."""
        careless = planted(self.open())
        for content in itertools.islice(self.inputs(), INPUTS):
            self.judge(careless, content)

    def try_all(self) -> None:
        """Try the suite's inputs: neither may all be taken, nor too few."""
        read = self.open()
        taken = sum(self.judge(read, content) for content in itertools.islice(self.inputs(), INPUTS))
        assert self.fewest <= taken < INPUTS

    def try_beginnings(self) -> None:
        """Try the good inputs, which are taken, and all beginnings of them."""
        read = self.open()
        for whole in self.seeds():
            assert self.judge(read, whole)
            for length in range(len(whole)):
                self.judge(read, whole[:length])
