"""Codes for trials: any number of terminals through the real use cases, apply, approve, prepare, read."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Self

from enrollment.id_notices import IdNotices
from enrollment.preparation import CodePreparation
from kernel import audit
from kernel.database import Database
from registry.applicants import contact_form
from registry.applications import Applications, Review
from registry.drafts import Customer, Drafts, Section
from registry.items import TERMINALS
from registry.proposals import ADDED_MOST
from server.corresponding import letters_of
from server.custody import Custody
from server.demo import HANAKO, ISSUER, OFFICE, REVIEWER
from server.preparing import preparation_of
from server.settings import Settings
from server.wiring import clock_of

# Not one of the demo's people: their own drafts stay as they are.
CUSTOMER = Customer(OFFICE, "demo-codes")


@dataclass(frozen=True)
class TrialCodes:
    """The five inputs of one terminal and when it may log on."""

    terminal: str
    access_key: str
    auth_code_1: str
    auth_code_2: str
    auth_code_3: str
    office_code: str
    start_date: str

    def as_json(self) -> dict[str, str]:
        """Return what scripts get."""
        return asdict(self)


@dataclass(frozen=True)
class Trial:
    """The use cases that a terminal passes through until its codes can be read."""

    drafts: Drafts
    applications: Applications
    review: Review
    preparation: CodePreparation
    notices: IdNotices

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self:
        """Build the use cases of a home."""
        clock, letters = clock_of(settings), letters_of(settings)
        return cls(
            Drafts(database, clock),
            Applications(database, clock, letters),
            Review(database, clock, letters),
            preparation_of(settings, database),
            IdNotices(database, clock, Custody(settings).opener()),
        )

    def prepare(self, count: int, start_date: date, progress: Callable[[int], None]) -> list[TrialCodes]:
        """Return the codes of so many new terminals; `progress` is told how many are done."""
        rows: list[TrialCodes] = []
        while len(rows) < count:
            for row in self._batch(min(ADDED_MOST, count - len(rows)), start_date):
                rows.append(row)
                progress(len(rows))
        return rows

    def _batch(self, count: int, start_date: date) -> Iterator[TrialCodes]:
        receipt_number = self._apply(count, start_date)
        self.review.approve(receipt_number, start_date, approver=audit.staff(REVIEWER))
        for terminal in self.preparation.prepare(receipt_number, audit.staff(ISSUER)):
            codes = self.notices.show(receipt_number, OFFICE, terminal, CUSTOMER.actor)
            yield TrialCodes(
                terminal=terminal,
                access_key=codes.access_key,
                auth_code_1=codes.auth_code_1,
                auth_code_2=codes.auth_code_2,
                auth_code_3=codes.auth_code_3,
                office_code=codes.office_code,
                start_date=start_date.isoformat(),
            )

    def _apply(self, count: int, start_date: date) -> str:
        draft = self.drafts.begin(CUSTOMER)
        pages = {
            Section.CHOICE: {"items": [TERMINALS], "wished_start": [start_date.isoformat()]},
            Section.APPLICANT: contact_form(HANAKO),
            Section.TERMINALS: {"add.net.sea": [str(count)]},
            Section.REMARKS: {"remarks": [""]},
        }
        for section, typed in pages.items():
            draft = self.drafts.save(CUSTOMER, draft.id, section, typed)
        return self.applications.submit(CUSTOMER, draft.id, version=draft.version)
