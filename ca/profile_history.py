"""The profiles that were ever issued by, terminals' and our own: each certificate names the one that was in force for it.

So a certificate is judged by what was to be said when it was made, however often the profile changes. A profile is
named by a digest of what it says, so nobody can say afterwards that it said something else.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ca.own_profiles import OwnKind, OwnProfile
from ca.profiles import Addresses, TerminalProfile
from kernel import audit
from kernel.audit import Actor
from kernel.database import Base, UtcDateTime, insert_if_absent

ACTION = "profile.use"
_DIGITS = 16
_ISSUING = audit.job("issuing")
Profile = TerminalProfile | OwnProfile


class ProfileRow(Base):
    """A profile, as it was written down when the first certificate was promised by it."""

    __tablename__ = "ca_profile"

    name: Mapped[str] = mapped_column(String(_DIGITS), primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    first_used_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclasses.dataclass(frozen=True)
class PastProfile:
    """A profile of the history, and what is written of it; None when that is not what its name is the digest of."""

    name: str
    content: str
    profile: Profile | None


class KeptProfile:
    """A profile in use, which stands in the history before a certificate names it."""

    def __init__(self, profile: Profile, actor: Actor = _ISSUING) -> None:
        self._content, self._actor = _written(profile), actor
        self.name = _name_of(self._content)
        self._is_kept = False

    def keep(self, session: Session, now: datetime) -> str:
        """Return the profile's name, having written it down, on record, where it was not yet."""
        if not self._is_kept:
            row = {"name": self.name, "content": self._content, "first_used_at": now}
            # Found there, it was committed by somebody; written by us, it may still be rolled back, so we look again.
            self._is_kept = not insert_if_absent(session, ProfileRow, row)
            if not self._is_kept:
                audit.record(
                    session, now=now, actor=self._actor, action=ACTION, subject=f"profile:{self.name}", content=self._content
                )
        return self.name


def past(session: Session) -> Iterator[PastProfile]:
    """Yield the profiles of the history, oldest first."""
    for row in session.scalars(select(ProfileRow).order_by(ProfileRow.first_used_at, ProfileRow.name)):
        yield _past(row)


def own(session: Session, name: str | None) -> OwnProfile | None:
    """Return a profile of ours by its name; None where there is none, or one that does not say any more what it said."""
    row = session.get(ProfileRow, name) if name is not None else None
    profile = _past(row).profile if row is not None else None
    return profile if isinstance(profile, OwnProfile) else None


def _past(row: ProfileRow) -> PastProfile:
    is_genuine = _name_of(row.content) == row.name
    return PastProfile(row.name, row.content, _read(row.content) if is_genuine else None)


def _name_of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]


def _written(profile: Profile) -> str:
    fields = {field.name: getattr(profile, field.name) for field in dataclasses.fields(profile)}
    return json.dumps(fields, default=_plain, sort_keys=True)


def _plain(value: object) -> object:
    match value:
        case Addresses():
            return value.status_url
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            raise TypeError(type(value).__name__)


# How what JSON does not know is read again, by field.
_READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "addresses": Addresses,
        "backdating": lambda seconds: timedelta(seconds=seconds),
        "fixed_end": lambda day: None if day is None else date.fromisoformat(day),
        "kind": OwnKind,
        "lifetime": lambda seconds: timedelta(seconds=seconds),
    }
)


def _read(content: str) -> Profile:
    """Return the profile; a field that it did not have yet has its default. Terminals' are of no kind."""
    written = json.loads(content)
    form = OwnProfile if "kind" in written else TerminalProfile
    known = {field.name for field in dataclasses.fields(form)}
    fields = {name: value for name, value in written.items() if name in known}
    return form(**{name: _READERS.get(name, _as_tuple)(value) for name, value in fields.items()})


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
