"""The retrieval door: codes for a certificate. It may sign, under the issuing CA; it shows codes to nobody."""

from functools import partial

from enrollment.protocols.cmp import door as cmp
from enrollment.protocols.est import door as est
from enrollment.protocols.est.server_keys import ServerKeys
from enrollment.protocols.page import door as page
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from enrollment.protocols.scep import door as scep
from enrollment.protocols.usual_retrievals import UsualRetrievals
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from server.answering_cmp import cmp_door_of
from server.batching import keep_working
from server.custody import Custody
from server.issuing import authority_of, issuing_check, profile_of
from server.mailing import letters_of
from server.registering import scep_door_of
from server.retrieval_lane import RetrievalLane
from server.retrieval_page import page_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock, letters = clock_of(settings), letters_of(settings)
    authority = authority_of(settings, database, clock)
    hasher = Custody(settings).hasher()
    redemption = Redemption(database, clock, authority, hasher, letters)
    app = create_app(RetrievalDoor(redemption))
    est.mount(app, est.EstDoor(redemption, server_keys=ServerKeys(hasher) if settings.est_serverkeygen else None))
    renewal = Renewal(database, clock, authority, settings.renewal_window_days, letters)
    scep.mount(app, scep_door_of(settings, redemption, renewal))
    cmp.mount(app, cmp_door_of(settings, redemption, renewal, profile_of(settings)))
    page.mount(app, page_of(settings, redemption))
    lane = RetrievalLane(UsualRetrievals(redemption, app.json.dumps), settings.trusted_proxies)
    checks = {"database": database_check(database), "issuing": issuing_check(authority, clock)}
    return Assembled(app, checks, lane=lane, beside=(partial(keep_working, redemption, Custody(settings).opener()),))
