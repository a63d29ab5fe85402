"""Who is on the gateways' list, kept in memory and followed change by change, so that a quiet second costs three look-ups.

What excludes a certificate by revocation, hold or release is followed by the issuers' revisions, which miss nothing. What
terminals and credentials became is followed by their own instants, with a look back for transactions that took long; and
each few minutes everything is read anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import standing as certificates
from enrollment import gateway_head
from enrollment.standing import begins
from enrollment.tables import CredentialRow
from registry import standing as terminals
from registry.states import TerminalState

# An instant is taken at the beginning of a use case, the change shows at its commit.
LOOK_BACK = timedelta(minutes=2)
READ_ANEW = timedelta(minutes=10)
_AT_ONCE = 500
_MOMENT = timedelta(microseconds=1)


class Member(NamedTuple):
    """A certificate that is good from one instant to another, as far as is known now."""

    line: bytes
    begins: datetime
    ends: datetime


@dataclass
class Members:
    """The certificates that are good, by terminal. For one thread."""

    read_anew: timedelta = READ_ANEW
    _of: dict[str, Member] = field(default_factory=dict, repr=False)
    _revisions: dict[str, int] = field(default_factory=dict, repr=False)
    # What was looked at since the look-back's beginning: a change is looked at once.
    _seen: dict[tuple[str, datetime], None] = field(default_factory=dict, repr=False)
    _read_at: datetime | None = None
    _followed_at: datetime | None = None
    # What was answered last, from when, and until when that is the answer unless somebody changes.
    _answer: tuple[frozenset[bytes], datetime, datetime] | None = field(default=None, repr=False)

    def follow(self, session: Session, now: datetime) -> None:
        """Take in what changed, by a snapshot of this moment."""
        before = self._followed_at
        if self._read_at is None or before is None or not before <= now < self._read_at + self.read_anew:
            self._read_anew(session, now)
        else:
            revisions = certificates.revisions(session)
            changed = certificates.changed_since(session, self._revisions) | self._moved(session, before - LOOK_BACK)
            self._look_at(session, changed)
            self._revisions = revisions
        self._followed_at = now

    def lines(self, now: datetime) -> frozenset[bytes]:
        """Return the lines of those that are good at an instant; the same object while they are the same ones."""
        if self._answer is None or not self._answer[1] <= now < self._answer[2]:
            lines = frozenset(member.line for member in self._of.values() if member.begins <= now <= member.ends)
            self._answer = lines, now, self._until(now)
        return self._answer[0]

    def _until(self, now: datetime) -> datetime:
        """Return when the next certificate begins, or has ended, by itself."""
        begin = (member.begins for member in self._of.values() if member.begins > now)
        over = (member.ends + _MOMENT for member in self._of.values() if member.ends >= now)
        return min(chain(begin, over), default=now + READ_ANEW)

    def _read_anew(self, session: Session, now: datetime) -> None:
        self._of.clear()
        self._answer = None
        self._revisions = certificates.revisions(session)
        self._seen = dict.fromkeys(self._moved_since(session, now - LOOK_BACK))
        self._look_at(session, session.scalars(select(CredentialRow.terminal)).all())
        self._read_at = now

    def _moved(self, session: Session, since: datetime) -> set[str]:
        """Return the terminals that changed, or got another current certificate, and were not looked at since."""
        moved = self._moved_since(session, since)
        names = {name for name, at in moved if (name, at) not in self._seen}
        self._seen = dict.fromkeys(moved)
        return names

    def _moved_since(self, session: Session, since: datetime) -> list[tuple[str, datetime]]:
        query = select(CredentialRow.terminal, CredentialRow.since).where(CredentialRow.since >= since)
        return [*((row.terminal, row.since) for row in session.execute(query)), *terminals.changed_since(session, since).items()]

    def _look_at(self, session: Session, names: Iterable[str]) -> None:
        wanted = sorted(names)
        if wanted:
            self._answer = None
        for begin in range(0, len(wanted), _AT_ONCE):
            some = wanted[begin : begin + _AT_ONCE]
            query = select(CredentialRow.terminal, CredentialRow.issuer, CredentialRow.serial)
            current = {row[0]: (row[1], row[2]) for row in session.execute(query.where(CredentialRow.terminal.in_(some)))}
            registered = terminals.of_many(session, some)
            standings = certificates.of_many(session, current.values())
            for name in some:
                self._of.pop(name, None)
                terminal, standing = registered.get(name), standings.get(current.get(name, ("", "")))
                if terminal is None or standing is None or standing.der is None:
                    continue
                if standing.is_valid and terminal.state == TerminalState.IN_SERVICE:
                    line = gateway_head.line_of(standing.der)
                    self._of[name] = Member(line, begins(standing, terminal), standing.not_after)
