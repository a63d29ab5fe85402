"""The plain door: SCEP and CMP over HTTP on this machine's own address, for clients that speak no TLS. Opened where it is set."""

from flask import Flask

from enrollment.protocols import problems
from enrollment.protocols.cmp import door as cmp
from enrollment.protocols.cmp.failures import LARGEST
from enrollment.protocols.scep import door as scep
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from server.answering_cmp import cmp_door_of
from server.custody import Custody
from server.issuing import authority_of, issuing_check, profile_of
from server.mailing import letters_of
from server.registering import scep_door_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database, clock, letters = database_of(settings), clock_of(settings), letters_of(settings)
    authority = authority_of(settings, database, clock)
    redemption = Redemption(database, clock, authority, Custody(settings).hasher(), letters)
    renewal = Renewal(database, clock, authority, settings.renewal_window_days, letters)
    app = Flask("plain", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST
    scep.mount(app, scep_door_of(settings, redemption, renewal))
    cmp.mount(app, cmp_door_of(settings, redemption, renewal, profile_of(settings)))
    problems.register(app)
    return Assembled(app, {"database": database_check(database), "issuing": issuing_check(authority, clock)})
