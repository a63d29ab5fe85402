"""Suspending many terminals, or lifting that: one after the other, each in a transaction of its own.

A certificate is held as long as its terminal is suspended, and by nothing else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from enrollment.ending import Endings
from kernel.audit import Actor
from kernel.errors import Refused
from registry import terminals
from registry.states import TerminalState

Progress = Callable[[int, int], None]
_ENDED_OR_STOPPED = {TerminalState.SUSPENDED, TerminalState.ABOLISHED}
_AT_ONCE = 500


@dataclass(frozen=True)
class Concerned:
    """Which terminals a deed concerns; `already` are as it would leave them, or abolished; `unknown` name nothing."""

    names: tuple[str, ...]
    already: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class BulkSuspension:
    """Suspends terminals by name, or lifts it. May be repeated, and taken up after an interruption."""

    endings: Endings

    def preview(self, names: Iterable[str], *, lift: bool) -> Concerned:
        """Tell what the deed would do now."""
        wanted = sorted({name.strip() for name in names} - {""})
        known: dict[str, TerminalState] = {}
        for begin in range(0, len(wanted), _AT_ONCE):
            with self.endings.database.snapshot() as session:
                found = terminals.named(session, wanted[begin : begin + _AT_ONCE])
            known |= {name: terminal.state for name, terminal in found.items()}
        concerned = [name for name, state in known.items() if _concerns(state, lift=lift)]
        already = [name for name in known if name not in set(concerned)]
        return Concerned(tuple(concerned), tuple(already), tuple(name for name in wanted if name not in known))

    def carry_out(self, names: Sequence[str], actor: Actor, progress: Progress | None = None, *, lift: bool) -> int:
        """Suspend terminals, or lift it, and return how many; those that changed meanwhile are passed over.

        `progress(done, all)` is told after each.
        """
        deed = self.endings.resume if lift else self.endings.suspend
        count = 0
        for done, name in enumerate(names, start=1):
            try:
                deed(name, actor)
                count += 1
            except Refused as refused:
                if refused.code != "terminal-state":
                    raise
            if progress is not None:
                progress(done, len(names))
        return count


def _concerns(state: TerminalState, *, lift: bool) -> bool:
    return state == TerminalState.SUSPENDED if lift else state not in _ENDED_OR_STOPPED
