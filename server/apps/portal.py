"""The portal: customers. It holds no signing key; it opens sealed codes, to show them to their office."""

from enrollment.batches.deeds import Batches
from enrollment.id_notices import IdNotices
from enrollment.reissue import Reissues
from enrollment.windows_scripts import WindowsScripts
from registry.applications import Applications
from registry.drafts import Drafts
from server.custody import Custody
from server.mailing import letters_of
from server.pages import door_parts
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of, home_of
from webui.portal.app import create_app
from webui.portal.parts import PortalParts


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock = clock_of(settings)
    door, letters = door_parts(settings, database, clock, "portal"), letters_of(settings)
    parts = PortalParts(
        door=door,
        drafts=Drafts(database, clock),
        applications=Applications(database, clock, letters),
        notices=IdNotices(database, clock, Custody(settings).opener(), door.accounts.administrators, letters),
        reissues=Reissues(database, clock, settings.same_day_reissue, letters),
        batches=Batches(database, clock),
        scripts=WindowsScripts(settings.retrieval.url, home_of(settings).root_bundle.read_bytes()),
        retrieval_url=settings.retrieval.url,
    )
    return Assembled(create_app(parts), {"database": database_check(database)})
