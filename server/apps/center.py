"""The center: staff. It holds no signing key, and of the sealing key only the public half, so it can not read codes."""

from enrollment.departures import Departures
from enrollment.diagnosis import Terms
from enrollment.diagnosis_cases import Cases
from enrollment.disclosure import Disclosures
from enrollment.documents.children import Children
from enrollment.ending import Endings
from enrollment.generations.changes import GenerationChanges
from enrollment.reissue import Reissues
from enrollment.start_moves import StartMoves
from registry.applications import Review
from registry.bulletin import BulletinDesk
from server.attaching import attachments_of
from server.corresponding import letters_of
from server.issuing import profile_of
from server.pages import door_parts
from server.preparing import preparation_of
from server.publishers import desk_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of
from webui.center.app import create_app
from webui.center.parts import CenterParts


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock, letters = clock_of(settings), letters_of(settings)
    parts = CenterParts(
        door=door_parts(settings, database, clock, "center"),
        review=Review(database, clock, letters),
        preparation=preparation_of(settings, database),
        endings=Endings(database, clock, letters),
        departures=Departures(database, clock, letters),
        disclosures=Disclosures(database, clock, letters),
        documents=desk_of(settings, database, clock, Children()),
        start_moves=StartMoves(database, clock, letters),
        generations=GenerationChanges(database, clock),
        reissues=Reissues(database, clock, settings.same_day_reissue, letters),
        bulletin=BulletinDesk(database, clock),
        attachments=attachments_of(settings, database, clock),
        cases=Cases(database, clock, Terms(settings.renewal_window_days, profile_of(settings).fixed_end)),
    )
    return Assembled(create_app(parts), {"database": database_check(database)})
