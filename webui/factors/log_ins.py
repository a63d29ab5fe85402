"""The log-ins that were tried, for their account to see, and the browsers that an account is known from."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from kernel.clock import Clock
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from webui.accounts import Credentials, Person, admission
from webui.accounts.persons import normal
from webui.accounts.sources import device_hash
from webui.factors.letters import AccountLetters, Event
from webui.factors.tables import LogInRow
from webui.tables import AccountRow, DeviceRow

KEPT = timedelta(days=90)
DEVICE_KEPT = timedelta(days=400)  # the longest that browsers keep a cookie
MOST_DEVICES = 20  # of one account: nobody uses more browsers, and each is one from which guesses are counted by themselves

# The first that fits; browsers name each other, so the order matters. Brand names, the same in every language.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")


class Outcome(StrEnum):
    """How a log-in ended."""

    PASSWORD = "password"  # noqa: S105 (no password: the log-in by one alone)
    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"
    FAILED = "failed"
    FACTOR_FAILED = "factor-failed"


@dataclass(frozen=True)
class Origin:
    """Where a log-in comes from: the address, and the device in plain words (Chrome / Windows), empty when unknown."""

    address: str
    device: str

    @classmethod
    def of(cls, address: str | None, user_agent: str) -> "Origin":
        """Return the origin of a request; of what the browser tells of itself only its name and system are kept."""
        parts = [next((name for sign, name in signs if sign in user_agent), "") for signs in (_BROWSERS, _SYSTEMS)]
        return cls(address if address and _ADDRESS.fullmatch(address) else "", " / ".join(filter(None, parts)))

    def __str__(self) -> str:
        """Return both, for a mail."""
        return ", ".join(filter(None, (self.device, self.address))) or "-"


@dataclass(frozen=True)
class PastLogIn:
    """One line of the history."""

    at: datetime
    outcome: Outcome
    address: str
    device: str


@dataclass(frozen=True)
class LogIns:
    """The use cases of the history."""

    database: Database
    clock: Clock
    letters: AccountLetters

    def note_failure(self, typed: Credentials, origin: Origin) -> None:
        """Note a log-in that failed at name or password.

        For a name that nobody has a row is written, too: both answers take the same time.
        """
        with self.database.transaction() as session:
            # Its number, no entity: making one would be work that names which nobody has do not cost.
            named = (AccountRow.door == typed.door.value) & (AccountRow.login == normal(typed.login))
            whose = select(AccountRow.id).where(named, AccountRow.office_code == normal(typed.office_code).upper())
            session.add(_row(session.scalar(whose), self.clock.now(), Outcome.FAILED, origin))

    def note_factor_failure(self, account_id: int, origin: Origin) -> None:
        """Note a log-in whose second factor was wrong."""
        with self.database.transaction() as session:
            session.add(_row(account_id, self.clock.now(), Outcome.FACTOR_FAILED, origin))

    def note_success(self, person: Person, origin: Origin, outcome: Outcome, device_token: str) -> str:
        """Note a log-in; return the token that the browser shall keep, a new one when it has none that the account knows.

        The person is told by mail of a browser that is new, but for the very first one where the account knows none from its
        link (`remember`). Of too many the one that was seen longest ago is forgotten.

        Raises Refused("login-failed") when the password was changed, or the account stopped, since `person` was read.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            if admission.held(session, person.account_id, person.password_changed_at) is None:
                raise Refused("login-failed")
            was_here = _was_here(session, person.account_id)
            session.add(_row(person.account_id, now, outcome, origin))
            known = session.get(DeviceRow, (person.account_id, device_hash(device_token))) if device_token else None
            if known is not None:
                known.seen_at = now
                return device_token
            if was_here:
                self.letters.post(session, person, Event.NEW_DEVICE, now, str(origin))
            return _made_known(session, person.account_id, device_token, now)

    def remember(self, person: Person, device_token: str) -> str:
        """Let an account know the browser in which its password was chosen by a link; return the token, as `note_success` does.

        The link's owner was told of the password. So who logs in by another browser first is somebody else, and is told of.
        """
        with self.database.transaction() as session:
            if admission.held(session, person.account_id, person.password_changed_at) is None:
                return device_token
            return _made_known(session, person.account_id, device_token, self.clock.now())

    def listed(self, account_id: int, *, page: int = 1, size: int = 30) -> tuple[tuple[PastLogIn, ...], int]:
        """Return one page of an account's log-ins, newest first, and how many there are."""
        with self.database.snapshot() as session:
            total = session.scalar(select(func.count()).select_from(LogInRow).where(LogInRow.account_id == account_id)) or 0
            query = select(LogInRow).where(LogInRow.account_id == account_id).order_by(LogInRow.id.desc())
            rows = session.scalars(query.offset((page - 1) * size).limit(size))
            found = tuple(PastLogIn(row.at, Outcome(row.outcome), row.address, row.device) for row in rows)
        return found, total


def purge(session: Session, now: datetime) -> int:
    """Delete what is older than it is kept. Part of a job."""
    old = delete(LogInRow).where(LogInRow.at < now - KEPT)
    unseen = delete(DeviceRow).where(DeviceRow.seen_at < now - DEVICE_KEPT)
    counts: list[int] = [session.execute(statement).rowcount for statement in (old, unseen)]  # type: ignore[attr-defined]
    return sum(counts)


def _was_here(session: Session, account_id: int) -> bool:
    """Tell whether an account knows a browser, or somebody logged in since the history begins: browsers are also forgotten."""
    device = select(DeviceRow.account_id).where(DeviceRow.account_id == account_id)
    failures = (Outcome.FAILED.value, Outcome.FACTOR_FAILED.value)
    log_in = select(LogInRow.account_id).where(LogInRow.account_id == account_id, LogInRow.outcome.not_in(failures))
    return session.scalar(device.limit(1)) is not None or session.scalar(log_in.limit(1)) is not None


def _made_known(session: Session, account_id: int, device_token: str, now: datetime) -> str:
    _make_room(session, account_id)
    # One browser may be several people's: its token stays when it has one already.
    token = device_token if _is_token(device_token) else secrets.token_urlsafe(32)
    insert_if_absent(session, DeviceRow, {"account_id": account_id, "token_hash": device_hash(token), "seen_at": now})
    return token


def _make_room(session: Session, account_id: int) -> None:
    mine = DeviceRow.account_id == account_id
    latest = select(DeviceRow.token_hash).where(mine).order_by(DeviceRow.seen_at.desc()).limit(MOST_DEVICES - 1)
    session.execute(delete(DeviceRow).where(mine, DeviceRow.token_hash.not_in(latest)))


def _row(account_id: int | None, now: datetime, outcome: Outcome, origin: Origin) -> LogInRow:
    return LogInRow(account_id=account_id, at=now, outcome=outcome.value, address=origin.address, device=origin.device)


def _is_token(text: str) -> bool:
    return len(text) == len(secrets.token_urlsafe(32)) and text.isascii() and text.replace("-", "").replace("_", "").isalnum()
