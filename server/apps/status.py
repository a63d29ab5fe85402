"""The status door: OCSP, CRLs, CA certificates, checkpoint. Its one key is the OCSP responder's."""

from cryptography import x509

from ca.ceremony import RESPONDER, service_certificate
from ca.ocsp import LARGEST_REQUEST, Responder
from ca.publication import Publication, create_app
from server.custody import Custody
from server.issuing import issuer_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of, home_of


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    certificate = x509.load_der_x509_certificate(service_certificate(database, RESPONDER))
    responder = Responder(database, issuer_of(database), certificate, Custody(settings).elliptic(RESPONDER))
    app = create_app(Publication(database, clock_of(settings), responder, home_of(settings).published))
    return Assembled(app, {"database": database_check(database)}, LARGEST_REQUEST)
