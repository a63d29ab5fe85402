"""What the portal's pages are made of, and where its views find it."""

from dataclasses import dataclass, field
from datetime import date

import flask

from enrollment.batches.deeds import Batches
from enrollment.diagnosis_cases import Cases
from enrollment.documents.desk import Desk
from enrollment.documents.verification import Verification
from enrollment.ending import Endings
from enrollment.id_notices import IdNotices
from enrollment.reissue import Reissues
from enrollment.renewal_window import DAYS
from enrollment.windows_scripts import WindowsScripts
from kernel.audit.notes import CheckSignature
from registry.applications import Applications, Corrections
from registry.attachments import Attachments
from registry.drafts import Customer, Drafts
from webui import guard
from webui.doorway import DoorParts


@dataclass(frozen=True)
class RenewalTerms:
    """From how many days before a certificate's end it is renewed; `fixed_end` is the last day that no renewal passes."""

    days: int = DAYS
    fixed_end: date | None = None


@dataclass(frozen=True)
class PortalParts:
    """What the portal's pages need. `retrieval_url` is the door where terminals fetch their certificates.

    `log_check(signature, text)` raises for what the audit log's key did not sign.
    """

    door: DoorParts
    drafts: Drafts
    applications: Applications
    notices: IdNotices
    reissues: Reissues
    endings: Endings
    cases: Cases
    batches: Batches
    scripts: WindowsScripts
    documents: Desk
    verification: Verification
    log_check: CheckSignature
    retrieval_url: str
    renewal_terms: RenewalTerms = field(default_factory=RenewalTerms)
    attachments: Attachments = field(kw_only=True)
    corrections: Corrections = field(kw_only=True)


def portal() -> PortalParts:
    """Return the parts of the running app."""
    found: PortalParts = flask.current_app.extensions["webui-portal"]
    return found


def office_code() -> str:
    """Return the office of whoever is logged in: the only one whose things they see."""
    return guard.person().office_code


def customer() -> Customer:
    """Return whoever is logged in as the registry knows them."""
    person = guard.person()
    return Customer(person.office_code, person.login)
