"""Whose is this file? The public answer: by its signature, and by its octets, which are compared with what was issued.

The comparison is what counts: a notice is made once and kept, so a file of ours that differs in one octet is not the one that
was issued, even where its signature would hold (the room of a signature and its unsigned parts are covered by nothing).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from ca import certificates, hierarchy, issuers
from ca.plan import DOCUMENTS
from enrollment.documents import store
from enrollment.documents.children import Children
from enrollment.documents.examination import Examination, Outcome
from enrollment.documents.store import Notice
from kernel import throttle
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from kernel.throttle import Limit
from registry import applications
from registry.states import ApplicationState

# A notice of 300 terminals has 370 kB, and less than one more for each further one: enough for 4,000.
LARGEST = 4 * 1024 * 1024
# Files of one source in ten minutes: enough for who files a year's notices one by one.
PER_SOURCE = Limit(
    failures=40, window=timedelta(minutes=10), lock=timedelta(minutes=10), longest=timedelta(hours=1)
)  # fmt: skip
_ENDED = (ApplicationState.CANCELLED, ApplicationState.VOID)


class Verdict(StrEnum):
    """`genuine`: the very file that we issued; `altered`: it bears our signature, and is not what we issued."""

    GENUINE = "genuine"
    ALTERED = "altered"
    FOREIGN = "foreign"
    UNSIGNED = "unsigned"
    UNREADABLE = "unreadable"


class Standing(StrEnum):
    """What has become of a genuine notice: it counts, a later one replaced it, or the approval itself was ended."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    ENDED = "ended"


@dataclass(frozen=True)
class Issued:
    """A genuine notice, and whether it still counts; `replaced_on` is the day of the one that replaced it."""

    notice: Notice
    standing: Standing
    replaced_on: date | None = None


@dataclass(frozen=True)
class Report:
    """The verdict, what the file's signature says, and, for a genuine file, what we issued."""

    verdict: Verdict
    examination: Examination
    issued: Issued | None = None


@dataclass(frozen=True)
class Verification:
    """Judges uploaded files; nothing of them is stored."""

    database: Database
    clock: Clock
    children: Children

    def judge(self, content: bytes, source: str) -> Report:
        """Judge a file of a source (its network, as text).

        Raises Refused with file-missing, file-too-large, file-not-pdf or throttled; Unavailable while too many are judged.
        """
        if not content:
            raise Refused("file-missing")
        if len(content) > LARGEST:
            raise Refused("file-too-large", most=LARGEST // 2**20)
        if not content.startswith(b"%PDF-"):
            raise Refused("file-not-pdf")
        now = self.clock.now()
        self._count(source, now)
        with self.database.snapshot() as session:
            roots = [one.certificate for one in issuers.load_all(session) if hierarchy.is_root(one)]
        found = self.children.examine(content, [root.public_bytes(Encoding.DER) for root in roots], now)
        with self.database.snapshot() as session:
            notice = store.issued(session, content)
            if notice is not None:
                return Report(Verdict.GENUINE, found, _issued(session, notice))
            return Report(_verdict(session, found), found)

    def _count(self, source: str, now: datetime) -> None:
        key = f"verify/{source}"
        with self.database.transaction() as session:
            throttle.require_unlocked(session, key, now, lock_row=True)
            throttle.count_failure(session, key, PER_SOURCE, now)


def _verdict(session: Session, found: Examination) -> Verdict:
    match found.outcome:
        case Outcome.UNREADABLE:
            return Verdict.UNREADABLE
        case Outcome.UNSIGNED:
            return Verdict.UNSIGNED
        case _:
            return Verdict.ALTERED if _is_our_signer(session, found.certificate) else Verdict.FOREIGN


def _is_our_signer(session: Session, certificate: bytes) -> bool:
    try:
        presented = certificates.identify(session, certificate)
    except Refused:
        return False
    record = certificates.find(session, presented.issuer or "", presented.serial)
    return record is not None and record.der == certificate and record.subject == DOCUMENTS


def _issued(session: Session, notice: Notice) -> Issued:
    application = applications.find(session, notice.receipt_number)
    if application is None:
        raise LookupError(notice.receipt_number)
    if application.state in _ENDED:
        return Issued(notice, Standing.ENDED)
    last = store.latest(session, notice.receipt_number)
    if last is not None and last.edition != notice.edition:
        return Issued(notice, Standing.SUPERSEDED, last.issued_on)
    if application.start_date != notice.start_date:
        return Issued(notice, Standing.SUPERSEDED)  # the one that replaces it is being made
    return Issued(notice, Standing.CURRENT)
