"""PKCS#11 tokens as one process uses them: opened when first asked, after the fork, and opened again after a loss.

python-pkcs11 initialises a module for one thread only, so whatever touches a token in this process takes turns. There is
one session per token and process; a module is started anew when its token cannot be reached, because the usual modules
look for tokens only then (PKCS#11 3.0 §5.4). A PIN that was refused is not tried again: tokens lock themselves.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pkcs11
from pkcs11 import Attribute, ObjectClass, TokenFlag
from pkcs11 import exceptions as failures

from keys.trouble import CustodyAwayError, KeyTroubleError, PinRefusedError

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib as Library  # noqa: N812 (the extension module names its class in lower case)

# Seconds: how long a caller waits for his turn, and how long a token that is away is left alone.
PATIENCE = 10.0
PAUSE = 1.0
_PIN_REFUSED = (failures.PinIncorrect, failures.PinInvalid, failures.PinLenRange)
# The token is there and says that it cannot, or may not, do this: asking again changes nothing.
_CAN_NOT = (
    failures.ArgumentsBad,
    failures.AttributeReadOnly,
    failures.AttributeSensitive,
    failures.AttributeTypeInvalid,
    failures.AttributeValueInvalid,
    failures.DataInvalid,
    failures.DataLenRange,
    failures.DomainParamsInvalid,
    failures.FunctionNotSupported,
    failures.KeyNotWrappable,
    failures.KeySizeRange,
    failures.KeyTypeInconsistent,
    failures.KeyUnextractable,
    failures.MechanismInvalid,
    failures.MechanismParamInvalid,
    failures.TemplateIncomplete,
    failures.TemplateInconsistent,
    failures.TokenWriteProtected,
    failures.WrappedKeyInvalid,
    failures.WrappedKeyLenRange,
)
T = TypeVar("T")


class NothingFoundError(KeyTroubleError):
    """No object has this label. A session to a token that was pulled says so, too, hence a second look before it is believed."""


@dataclass
class Visit:
    """A session under the lock: what a deed works with."""

    token: pkcs11.Token
    session: pkcs11.Session
    # Private keys that were found, and their public halves, by label.
    pairs: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def objects(self, object_class: ObjectClass, label: str) -> list[pkcs11.Object]:
        """Return all objects of a class with this label."""
        return list(self.session.get_objects({Attribute.CLASS: object_class, Attribute.LABEL: label}))

    def only(self, object_class: ObjectClass, label: str) -> pkcs11.Object:
        """Return the one object of a class with this label; raises KeyTroubleError for two, NothingFoundError for none."""
        found = self.objects(object_class, label)
        kind = object_class.name.lower().replace("_", " ")
        if not found:
            raise NothingFoundError(f"token {self.token.label!r} has no {kind} with the label {label!r}")
        if len(found) > 1:
            raise KeyTroubleError(
                f"token {self.token.label!r} has {len(found)} objects of the kind {kind} with the label {label!r}: "
                "exactly one must have it"
            )
        return found[0]


@dataclass
class _Line:
    """What this process remembers of one token."""

    visit: Visit | None = None
    away_until: float = 0.0
    away_because: str = ""
    refused_pin: str | None = field(default=None, repr=False)


class _Process:
    """What this process has of all tokens. A forked child inherits none of it but the loaded modules."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.lines: dict[tuple[Path, str], _Line] = {}
        self.modules: dict[Path, Library] = {}
        self.started: set[Path] = set()

    def begin_after_fork(self) -> None:
        """Forget the parent's sessions, and its lock, which some other thread of it may have held."""
        self.turn = threading.Lock()
        self.lines = {}
        self.started = set()

    def module(self, path: Path) -> "Library":
        """Return a module that this process has initialised itself."""
        if path not in self.modules:
            self.modules[path] = pkcs11.lib(str(path))
            self.started.add(path)
        elif path not in self.started:
            self.start(path)
        return self.modules[path]

    def start(self, path: Path) -> None:
        """Initialise a module anew; all sessions through it are gone."""
        for (module, _), line in self.lines.items():
            if module == path:
                line.visit = None
        if path in self.modules:
            self.started.discard(path)
            with suppress(failures.PKCS11Error):
                self.modules[path].finalize()
            self.modules[path].initialize()
            self.started.add(path)


_process = _Process()
os.register_at_fork(after_in_child=_process.begin_after_fork)


@dataclass(frozen=True)
class Token:
    """A token by its module and label.

    `pin` is called whenever a session is opened, so that a corrected PIN is taken up; it may raise KeyTroubleError.
    `attempt` is held around each log-in and sees PinRefusedError: for what processes must tell each other.
    """

    module: Path
    label: str
    pin: Callable[[], str] = field(repr=False)
    attempt: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False)

    def ask(self, deed: Callable[[Visit], T]) -> T:
        """Let a deed use the token, alone in this process. After a loss it is done once more, so it must be repeatable.

        Raises CustodyAwayError when the token is away, busy or refuses its PIN, KeyTroubleError when it cannot do this.
        """
        with self._turn() as line:
            try:
                return deed(self._visit(line))
            except (NothingFoundError, failures.PKCS11Error) as error:
                if isinstance(error, (*_CAN_NOT, failures.PinLocked, failures.MultipleTokensReturned)):
                    raise
            line.visit = None
            _process.start(self.module)
            return deed(self._visit(line))

    def change(self, deed: Callable[[Visit], T]) -> T:
        """Let a deed write on the token, once. Raises as `ask` does; after CustodyAwayError it may or may not be done."""
        with self._turn() as line:
            reader = self._visit(line)
            # The log-in belongs to the process, not to the session (PKCS#11 3.0 §4.4): this one needs no PIN.
            session = reader.token.open(rw=True)
            try:
                return deed(Visit(reader.token, session))
            finally:
                with suppress(failures.PKCS11Error):
                    session.close()

    @contextmanager
    def _turn(self) -> Iterator[_Line]:
        """Wait for our turn; turn what the module says into our own exceptions."""
        turn = _process.turn
        if not turn.acquire(timeout=PATIENCE):
            raise CustodyAwayError(f"token {self.label!r} is busy")
        try:
            line = _process.lines.setdefault((self.module, self.label), _Line())
            if time.monotonic() < line.away_until:
                raise CustodyAwayError(line.away_because)
            try:
                yield line
            except failures.PKCS11Error as error:
                raise self._trouble(line, error) from error
        finally:
            turn.release()

    def _visit(self, line: _Line) -> Visit:
        if line.visit is None:
            token = _process.module(self.module).get_token(token_label=self.label)
            line.visit = Visit(token, self._open(line, token))
        return line.visit

    def _open(self, line: _Line, token: pkcs11.Token) -> pkcs11.Session:
        with self.attempt():
            pin = self.pin()
            if pin == line.refused_pin:
                raise CustodyAwayError(f"token {self.label!r} refused its PIN, which was not changed since")
            if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
                raise CustodyAwayError(f"token {self.label!r} has one attempt left before its PIN is locked: log in by hand")
            try:
                return token.open(user_pin=pin)
            except failures.UserAlreadyLoggedIn:
                return token.open()
            except _PIN_REFUSED:
                line.refused_pin = pin
                raise PinRefusedError(f"token {self.label!r} refuses its PIN") from None

    def _trouble(self, line: _Line, error: failures.PKCS11Error) -> KeyTroubleError:
        """Say what the module's error means for who asked, and leave a token that is away alone for a while."""
        name = type(error).__name__
        if isinstance(error, failures.MultipleTokensReturned):
            return KeyTroubleError(f"more than one token has the label {self.label!r}")
        if isinstance(error, _CAN_NOT):
            return KeyTroubleError(f"token {self.label!r} can not do this: {name}")
        line.visit = None
        line.away_until = time.monotonic() + PAUSE
        line.away_because = f"token {self.label!r} is away: {name}"
        return CustodyAwayError(line.away_because)
