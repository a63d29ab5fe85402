"""What may become of a generation change, and of a terminal in it."""

from enum import StrEnum

from kernel.lifecycle import Lifecycle


class GenerationState(StrEnum):
    """`planned` waits for somebody else's approval; `stopped` leaves everything as it is, for good."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"


class GenerationEvent(StrEnum):
    """What happens to a change: `end` by a job when the old generation is over, the rest by staff."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    END = "end"


OPEN = (GenerationState.PLANNED, GenerationState.RUNNING, GenerationState.PAUSED)

LIFECYCLE = Lifecycle(
    "generation",
    GenerationState.PLANNED,
    {
        (GenerationState.PLANNED, GenerationEvent.START): GenerationState.RUNNING,
        (GenerationState.RUNNING, GenerationEvent.PAUSE): GenerationState.PAUSED,
        (GenerationState.PAUSED, GenerationEvent.RESUME): GenerationState.RUNNING,
        **{(state, GenerationEvent.STOP): GenerationState.STOPPED for state in OPEN},
        (GenerationState.RUNNING, GenerationEvent.END): GenerationState.ENDED,
    },
)


class MemberState(StrEnum):
    """Where a terminal is in a change.

    `waiting` has no codes yet, `prepared` has some, `held` gets none for a reason that may pass (`HeldReason`), `lapsed` had
    codes that expired; `retrieved` has its certificate of the new generation; `ended` lost the old one on the last day,
    `suspended` is what its codes' expiry made of it after that; `left` was abolished meanwhile.
    """

    WAITING = "waiting"
    PREPARED = "prepared"
    HELD = "held"
    LAPSED = "lapsed"
    RETRIEVED = "retrieved"
    ENDED = "ended"
    SUSPENDED = "suspended"
    LEFT = "left"


class HeldReason(StrEnum):
    """Why a terminal gets no codes for now."""

    SUSPENDED = "suspended"
    FROZEN = "frozen"
    REVOKED = "revoked"
    REISSUE = "reissue"


# Those who still have to retrieve, before the end and after it.
STRAGGLERS = (
    MemberState.PREPARED,
    MemberState.HELD,
    MemberState.LAPSED,
    MemberState.WAITING,
    MemberState.ENDED,
    MemberState.SUSPENDED,
)
# Whose old certificate the last day ends.
UNSETTLED = (MemberState.WAITING, MemberState.PREPARED, MemberState.HELD, MemberState.LAPSED)
