"""The two kinds of failure that cross rooms; everything else is a fault of ours and becomes a logged 500."""

import traceback
from itertools import islice

# Of the functions through which an exception came, so many are told, the outermost first: those are ours.
_STEPS = 8
_CAUSES = 4


class Refused(Exception):
    """The world is at fault: a rule says no.

    `code` is stable and documented (tests, help desk and scripts rely on it); `facts` are plain values that the
    edge may put into its sentence in the reader's language. Neither ever holds a secret.
    """

    def __init__(self, code: str, /, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        """Show the code and the facts, for logs."""
        return self.code + "".join(f" {name}={value}" for name, value in self.facts.items())


class Unavailable(Exception):
    """Something we depend on is away for a while (database, key's custody): nothing was decided, ask again.

    `retry_after` is in whole seconds.
    """

    def __init__(self, what: str, *, retry_after: int = 5) -> None:
        super().__init__(what)
        self.retry_after = retry_after


def trace_of(error: BaseException) -> str:
    """Name an exception's class, its causes' and the functions through which it came, for logs.

    Never its text, which may tell values of those whom it met (PostgreSQL's errors name the row).
    """
    classes, cause = [type(error).__name__], error.__cause__
    while cause is not None and len(classes) < _CAUSES:
        classes.append(type(cause).__name__)
        cause = cause.__cause__
    steps = [
        f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}:{line}"
        for frame, line in islice(traceback.walk_tb(error.__traceback__), _STEPS)
    ]
    return f"{' from '.join(classes)} at {' > '.join(steps)}"
