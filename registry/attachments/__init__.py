"""添付ファイル: files that customers send with an application or with the answer to a question about it.

    Attachments(database, clock, store, limits).attach(customer, draft_id, files) -> tuple[Attachment, ...]
    Attachments(…).detach(customer, draft_id, attachment_id)
    Attachments(…).sent(files)                       checked and written aside, for `Applications.answer`
    Attachments(…).read(receipt_number, id, office_code=…) -> (Attachment, bytes)
    Attachments(…).purge(now)                        a job
    of_draft(session, draft_id), of_application(session, receipt_number), hand_over(session, draft_id, number, version)

Contents lie in the home, rows in the database; which of them is missing is never in doubt (`records`, ADR 0042).
"""

from registry.attachments.contents import EXTENSIONS, TYPES
from registry.attachments.deeds import FIELD, Attachments, Limits, Sent
from registry.attachments.records import Attachment, digests, hand_over, of_application, of_draft
from registry.attachments.store import Store

__all__ = [
    "EXTENSIONS",
    "FIELD",
    "TYPES",
    "Attachment",
    "Attachments",
    "Limits",
    "Sent",
    "Store",
    "digests",
    "hand_over",
    "of_application",
    "of_draft",
]
