"""The retrieval door: codes for a certificate. It may sign, under the issuing CA; it shows codes to nobody."""

from enrollment.protocols.est import door as est
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from enrollment.redemption import Redemption
from server.custody import Custody
from server.issuing import authority_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock = clock_of(settings)
    redemption = Redemption(database, clock, authority_of(settings, database, clock), Custody(settings).hasher())
    app = create_app(RetrievalDoor(redemption))
    est.mount(app, est.EstDoor(redemption))
    return Assembled(app, {"database": database_check(database)})
