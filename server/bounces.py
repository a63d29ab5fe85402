"""The Maildir that the operator's mail server puts undeliverable mails into: each is read once and put from `new` into `cur`.

What was understood is marked as seen (`S`), what was not as flagged (`F`) and told in the log, for a person to look at; nothing
is deleted. The mail is noted before its file is moved: after an interruption in between it is read again and changes nothing.
"""

import os
import secrets
import stat
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from kernel import outbox
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from server import delivery_reports, logs
from server.delivery_reports import MOST_OCTETS, NotAReport, Outcome, Report
from server.return_address import ReturnAddress, is_token

AT_MOST = 200
_SEEN, _FLAGGED = "S", "F"
# A link to elsewhere is not followed, and nothing waits for a pipe's other end.
_OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_log = logs.logger("server.bounces")


@dataclass(frozen=True)
class Bounces:
    """Reads the notifications in `folder` about mails whose own address for them is of `address`."""

    database: Database
    folder: Path
    address: ReturnAddress

    def read_due(self, now: datetime) -> int:
        """Read what has come and return how many mails it changed. A job.

        Raises Unavailable when the folder can not be read or changed.
        """
        try:
            with os.scandir(self.folder / "new") as entries:
                names = [entry.name for entry in islice(entries, AT_MOST)]
            return sum(self._take(name, now) for name in names)
        except OSError as error:
            raise Unavailable(f"mail_bounces: {self.folder} is no Maildir that can be used here: {error.strerror}") from error

    def _take(self, name: str, now: datetime) -> bool:
        try:
            has_changed = self._understood(self.folder / "new" / name, now)
        except NotAReport as fault:
            _log.warning("bounce.put-aside", file=name.encode("ascii", "backslashreplace").decode(), reason=str(fault))
            self._file(name, _FLAGGED)
            return False
        self._file(name, _SEEN)
        return has_changed

    def _understood(self, path: Path, now: datetime) -> bool:
        report = delivery_reports.read(_octets(path))
        token = self._token(report)
        with self.database.transaction() as session:
            try:
                if report.outcome is Outcome.FAILED:
                    return outbox.bounce(session, token, report.reason, now=now)
                if report.outcome is Outcome.OTHER:
                    return outbox.note_passage(session, token, now=now)
                return outbox.note_delay(session, token, report.reason, now=now)
            except Refused as unknown:
                raise NotAReport("about no mail that is under way") from unknown

    def _token(self, report: Report) -> str:
        """Return the token that the notification names, which must be one."""
        found = {self.address.token(address) for address in report.addressed_to}
        found |= {report.envelope_id} if is_token(report.envelope_id) else set()
        found.discard("")
        if len(found) != 1:
            raise NotAReport("about no mail of ours" if not found else "about several mails")
        return found.pop()

    def _file(self, name: str, flag: str) -> None:
        base = name.partition(":")[0]
        filed = self.folder / "cur" / f"{base}:2,{flag}"
        if os.path.lexists(filed):  # a rename would put it in the other one's place
            filed = self.folder / "cur" / f"{base}.{secrets.token_hex(4)}:2,{flag}"
        (self.folder / "new" / name).rename(filed)


def _octets(path: Path) -> bytes:
    """Return a file's content; raises NotAReport for what is none or is too large."""
    try:
        descriptor = os.open(path, _OPENING)
    except OSError as error:
        raise NotAReport(f"can not be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotAReport("no file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_OCTETS + 1)
    finally:
        os.close(descriptor)
