"""Who publishes the documents, and where doors hand them out, as the settings have it."""

from enrollment.documents.children import Children
from enrollment.documents.desk import Desk
from enrollment.documents.facts import Publisher
from kernel.clock import Clock
from kernel.database import Database
from server.settings import Settings


def publisher_of(settings: Settings) -> Publisher:
    """Return who publishes the documents."""
    if settings.service_name is None:
        return Publisher(settings.portal.url, help_desk=settings.help_desk)
    return Publisher(settings.portal.url, settings.service_name, settings.service_name, settings.help_desk)


def desk_of(settings: Settings, database: Database, clock: Clock, children: Children) -> Desk:
    """Return what hands documents out at a door."""
    return Desk(database, clock, publisher_of(settings), children)
