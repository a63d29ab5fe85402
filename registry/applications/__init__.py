"""申込: applications from their receipt number to their end.

Use cases: the customer's are `Applications` (submit, answer, withdraw), the center's `Review` (query, approve, reject,
mark_executed); `Corrections` answer with a corrected application (begin, submit); `complete_due` is a job. For enrollment,
which joins with its own transaction:

    find(session, receipt_number, *, lock=False) -> Application | None
    applicants(session, receipt_numbers) -> dict[str, Contact]
    terminals_to_prepare(session, receipt_number) -> tuple[Terminal, ...]
    mark_prepared(session, receipt_number, actor, now) -> Application
    due_abolitions(session, today) -> tuple[DueAbolition, ...]      then `terminals.step(…, ABOLISH, …)`
    overdue_settings(session, today) -> tuple[str, ...]             then `void`
    cancel(session, letters, receipt_number, *, actor, reason, now) -> tuple[str, ...]
    void(session, letters, receipt_number, *, actor, reason, now) -> tuple[str, ...]
    require_movable(session, receipt_number, move), move_start(session, letters, receipt_number, move)

Rows are locked in this order: application, its terminals by name, counters; who joins keeps to it.

Each deed leaves an audit entry `application.<verb>` and a news line: application-applied, application-queried,
application-answered, application-corrected, application-approved, application-rejected, application-withdrawn,
application-cancelled, application-void, application-completed, application-moved; an item that staff carried out leaves
item-executed, and company-changed for the company's other offices.

For pages: `of_office`, `count_of_office`, `open_of_office`, `queue`, `detail`, `last_applicant`.
"""

from registry.applications.completion import (
    DueAbolition,
    complete_due,
    due_abolitions,
    mark_prepared,
    missing_settings,
    overdue_settings,
    terminals_to_prepare,
)
from registry.applications.corrections import Corrections
from registry.applications.endings import cancel, void
from registry.applications.filing import Applications
from registry.applications.moving import Move, move_start, require_movable
from registry.applications.records import Application, applicants, find, last_applicant, open_of_office
from registry.applications.review import Review
from registry.applications.views import (
    Detail,
    ItemLine,
    Query,
    ResultLine,
    Summary,
    Wanted,
    count_of_office,
    detail,
    of_office,
    queue,
)

__all__ = [
    "Application",
    "Applications",
    "Corrections",
    "Detail",
    "DueAbolition",
    "ItemLine",
    "Move",
    "Query",
    "ResultLine",
    "Review",
    "Summary",
    "Wanted",
    "applicants",
    "cancel",
    "complete_due",
    "count_of_office",
    "detail",
    "due_abolitions",
    "find",
    "last_applicant",
    "mark_prepared",
    "missing_settings",
    "move_start",
    "of_office",
    "open_of_office",
    "overdue_settings",
    "queue",
    "require_movable",
    "terminals_to_prepare",
    "void",
]
