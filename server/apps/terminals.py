"""The terminals door: what a terminal asks with its certificate. It may sign, under the issuing CA: renewals."""

from enrollment.gateway import Gateway
from enrollment.logon import LogonCheck
from enrollment.own_state import OwnStates
from enrollment.protocols import gateway
from enrollment.protocols.est import door as est
from enrollment.protocols.est.server_keys import ServerKeys
from enrollment.protocols.terminals import TerminalsDoor, create_app
from enrollment.redemption import Redemption
from enrollment.reissue import Reissues
from enrollment.renewal import Renewal
from server.client_certificates import client_certificate
from server.custody import Custody
from server.issuing import authority_of, issuing_check
from server.mailing import letters_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database, letters = database_of(settings), letters_of(settings)
    clock, hasher = clock_of(settings), Custody(settings).hasher()
    authority = authority_of(settings, database, clock)
    redemption = Redemption(database, clock, authority, hasher, letters)
    renewal = Renewal(database, clock, authority, settings.renewal_window_days, letters)
    door = TerminalsDoor(
        LogonCheck(database, clock, hasher),
        client_certificate,
        renewal,
        Reissues(database, clock, settings.same_day_reissue, letters),
        OwnStates(database, clock, settings.renewal_window_days),
    )
    app = create_app(door)
    gateway.mount(app, Gateway(database, clock), client_certificate)
    server_keys = ServerKeys(hasher) if settings.est_serverkeygen else None
    est.mount(app, est.EstDoor(redemption, est.Renewing(renewal, client_certificate), server_keys))
    return Assembled(app, {"database": database_check(database), "issuing": issuing_check(authority, clock)})
