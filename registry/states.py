"""What may become of an application and of a terminal, as tables; and the classes that both are made of."""

from enum import IntEnum, StrEnum

from kernel.lifecycle import Lifecycle


class SystemClass(StrEnum):
    """システム区分."""

    SEA = "sea"
    AIR = "air"
    SHARED = "shared"


class DeviceClass(StrEnum):
    """利用機種区分."""

    NET = "net"
    WEB = "web"
    EBMS = "ebms"


class PricePlan(StrEnum):
    """料金プラン."""

    A = "A"
    B = "B"


class PaymentMethod(StrEnum):
    """支払の方法: by direct debit (口座振替) or by bank transfer (銀行振込)."""

    DEBIT = "debit"
    TRANSFER = "transfer"


class TerminalState(StrEnum):
    """`pending` has a name and no certificate yet; `abolished` is for ever, and so is its name."""

    PENDING = "pending"
    IN_SERVICE = "in_service"
    SUSPENDED = "suspended"
    ABOLISHED = "abolished"


class SuspensionRule(IntEnum):
    """The operator's rules by which a terminal is suspended when two months are over; staff suspend without one."""

    NOT_RETRIEVED = 1
    NOT_RENEWED = 2
    REISSUE_NOT_RETRIEVED = 3


class TerminalEvent(StrEnum):
    """What happens to a terminal. Of the two ways back from suspension `terminals.resume` takes the right one."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME_PENDING = "resume_pending"
    RESUME_SERVICE = "resume_service"
    ABOLISH = "abolish"


TERMINAL = Lifecycle(
    "terminal",
    TerminalState.PENDING,
    {
        (TerminalState.PENDING, TerminalEvent.ACTIVATE): TerminalState.IN_SERVICE,
        (TerminalState.PENDING, TerminalEvent.SUSPEND): TerminalState.SUSPENDED,
        (TerminalState.IN_SERVICE, TerminalEvent.SUSPEND): TerminalState.SUSPENDED,
        (TerminalState.SUSPENDED, TerminalEvent.RESUME_PENDING): TerminalState.PENDING,
        (TerminalState.SUSPENDED, TerminalEvent.RESUME_SERVICE): TerminalState.IN_SERVICE,
        (TerminalState.PENDING, TerminalEvent.ABOLISH): TerminalState.ABOLISHED,
        (TerminalState.IN_SERVICE, TerminalEvent.ABOLISH): TerminalState.ABOLISHED,
        (TerminalState.SUSPENDED, TerminalEvent.ABOLISH): TerminalState.ABOLISHED,
    },
)


class ApplicationState(StrEnum):
    """`queried` waits for the customer, `approved` for the codes, `prepared` for the start date."""

    APPLIED = "applied"
    QUERIED = "queried"
    APPROVED = "approved"
    PREPARED = "prepared"
    COMPLETED = "completed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    VOID = "void"
    CANCELLED = "cancelled"


class ApplicationEvent(StrEnum):
    """What happens to an application: by the customer answer and withdraw, by a job complete, by the center the rest.

    `move` is a new start date: the codes carry it, so they are prepared anew.
    """

    QUERY = "query"
    ANSWER = "answer"
    APPROVE = "approve"
    PREPARE = "prepare"
    MOVE = "move"
    COMPLETE = "complete"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    VOID = "void"
    CANCEL = "cancel"


_UNDER_REVIEW = (ApplicationState.APPLIED, ApplicationState.QUERIED)
OPEN_STATES = (*_UNDER_REVIEW, ApplicationState.APPROVED, ApplicationState.PREPARED)

APPLICATION = Lifecycle(
    "application",
    ApplicationState.APPLIED,
    {
        (ApplicationState.APPLIED, ApplicationEvent.QUERY): ApplicationState.QUERIED,
        (ApplicationState.QUERIED, ApplicationEvent.ANSWER): ApplicationState.APPLIED,
        # Also with a question open: the answer may have come by telephone.
        **{(state, ApplicationEvent.APPROVE): ApplicationState.APPROVED for state in _UNDER_REVIEW},
        (ApplicationState.APPROVED, ApplicationEvent.PREPARE): ApplicationState.PREPARED,
        (ApplicationState.APPROVED, ApplicationEvent.MOVE): ApplicationState.APPROVED,
        (ApplicationState.PREPARED, ApplicationEvent.MOVE): ApplicationState.APPROVED,
        (ApplicationState.PREPARED, ApplicationEvent.COMPLETE): ApplicationState.COMPLETED,
        # Nothing to retrieve: abolitions, class changes, other items.
        (ApplicationState.APPROVED, ApplicationEvent.COMPLETE): ApplicationState.COMPLETED,
        **{(state, ApplicationEvent.REJECT): ApplicationState.REJECTED for state in _UNDER_REVIEW},
        **{(state, ApplicationEvent.WITHDRAW): ApplicationState.WITHDRAWN for state in _UNDER_REVIEW},
        **{(state, ApplicationEvent.VOID): ApplicationState.VOID for state in OPEN_STATES},
        **{(state, ApplicationEvent.CANCEL): ApplicationState.CANCELLED for state in OPEN_STATES},
    },
)
