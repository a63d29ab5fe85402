"""What the center's pages are made of, and where its views find it."""

from dataclasses import dataclass, field

import flask

from enrollment.departures import Departures
from enrollment.diagnosis_cases import Cases
from enrollment.disclosure import Disclosures
from enrollment.documents.desk import Desk
from enrollment.ending import Endings
from enrollment.generations.changes import GenerationChanges
from enrollment.preparation import CodePreparation
from enrollment.reissue import Reissues
from enrollment.start_moves import StartMoves
from registry.applications import Review
from registry.attachments import Attachments
from registry.bulletin import BulletinDesk
from webui.doorway import DoorParts


@dataclass(frozen=True)
class CenterParts:
    """What the center's pages need: the use cases of review, of codes, and of ending what a terminal or an application has."""

    door: DoorParts
    review: Review
    preparation: CodePreparation
    endings: Endings
    departures: Departures
    start_moves: StartMoves
    generations: GenerationChanges
    disclosures: Disclosures
    documents: Desk
    reissues: Reissues
    bulletin: BulletinDesk
    cases: Cases
    attachments: Attachments = field(kw_only=True)


def center() -> CenterParts:
    """Return the parts of the running app."""
    found: CenterParts = flask.current_app.extensions["webui-center"]
    return found
