"""The two kinds of failure that cross rooms; everything else is a fault of ours and becomes a logged 500."""


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
