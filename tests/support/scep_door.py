"""SCEP for a built house: the ceremony grows by a registration authority, whose slow key is made once for all tests."""

from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ca.ceremony import Ceremony, service_certificate
from ca.plan import SCEP, with_scep
from enrollment.protocols.scep.door import ScepDoor
from enrollment.protocols.scep.operations import Operations, RegistrationAuthority
from tests.support.house import House


def scep_door_of(house: House) -> ScepDoor:
    """Return what SCEP needs at a house's retrieval door."""
    return ScepDoor(operations_of(house))


def operations_of(house: House) -> Operations:
    """Return SCEP's operations in a house."""
    if not house.keys.exists(SCEP):
        house.keys.keep(SCEP, _key())
    try:
        der = service_certificate(house.database, SCEP)
    except LookupError:
        Ceremony(house.database, house.keys, with_scep(house.plan)).hold(house.clock.now())
        der = service_certificate(house.database, SCEP)
    certificate = x509.load_der_x509_certificate(der)
    key = house.keys.open_signing(SCEP)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(SCEP)
    authority = RegistrationAuthority(certificate, key)
    return Operations(house.database, house.redemption, house.renewal, lambda: authority, house.crl_folder)


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)
