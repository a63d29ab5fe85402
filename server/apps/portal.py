"""The portal: customers. It holds no signing key; it opens sealed codes, to show them to their office."""

from enrollment.batches.deeds import Batches
from enrollment.diagnosis import Terms
from enrollment.diagnosis_cases import Cases
from enrollment.documents.children import Children
from enrollment.documents.verification import Verification
from enrollment.ending import Endings
from enrollment.id_notices import IdNotices
from enrollment.reissue import Reissues
from enrollment.windows_scripts import WindowsScripts
from registry.applications import Applications, Corrections
from registry.drafts import Drafts
from server.attaching import attachments_of
from server.corresponding import letters_of
from server.custody import Custody
from server.issuing import profile_of
from server.pages import door_parts
from server.publishers import desk_of
from server.sealing import log_check_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of, home_of
from webui import bulletin
from webui.bulletin import BulletinParts
from webui.portal.app import create_app
from webui.portal.parts import PortalParts, RenewalTerms


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock = clock_of(settings)
    door, letters = door_parts(settings, database, clock, "portal"), letters_of(settings)
    children = Children()
    roots = home_of(settings).root_bundle.read_bytes()
    parts = PortalParts(
        door=door,
        drafts=Drafts(database, clock),
        applications=Applications(database, clock, letters),
        notices=IdNotices(database, clock, Custody(settings).opener(), door.accounts.administrators, letters),
        reissues=Reissues(database, clock, settings.same_day_reissue, letters),
        endings=Endings(database, clock, letters),
        cases=Cases(database, clock, Terms(settings.renewal_window_days, profile_of(settings).fixed_end)),
        batches=Batches(database, clock),
        scripts=WindowsScripts(settings.retrieval.url, roots),
        documents=desk_of(settings, database, clock, children),
        verification=Verification(database, clock, children),
        log_check=log_check_of(settings),
        attachments=attachments_of(settings, database, clock),
        corrections=Corrections(database, clock),
        retrieval_url=settings.retrieval.url,
        renewal_terms=RenewalTerms(settings.renewal_window_days, profile_of(settings).fixed_end),
    )
    app = create_app(parts, bulletin.blueprint)
    bulletin.equip(app, BulletinParts(bulletin.read_roots(roots), settings.retrieval.url))
    return Assembled(app, {"database": database_check(database)})
