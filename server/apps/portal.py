"""The portal: customers. It holds no signing key; it opens sealed codes, to show them to their office."""

from enrollment.id_notices import IdNotices
from registry.applications import Applications
from registry.drafts import Drafts
from server.custody import Custody
from server.mailing import letters_of
from server.pages import door_parts
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of
from webui.portal.app import create_app
from webui.portal.parts import PortalParts


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock = clock_of(settings)
    parts = PortalParts(
        door=door_parts(settings, database, clock, "portal"),
        drafts=Drafts(database, clock),
        applications=Applications(database, clock, letters_of(settings)),
        notices=IdNotices(database, clock, Custody(settings).opener()),
        retrieval_url=settings.retrieval.url,
    )
    return Assembled(create_app(parts), {"database": database_check(database)})
