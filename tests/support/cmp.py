"""CMP at a house's retrieval door, with the signer of its ceremony."""

from functools import cache

from ca.ceremony import service
from ca.plan import CMP
from enrollment.mac_secrets import MacSecrets
from enrollment.protocols.cmp.door import CmpDoor
from enrollment.protocols.cmp.enrolment import Enrolment
from enrollment.protocols.cmp.operations import Operations
from enrollment.protocols.cmp.senders import Authentication
from enrollment.protocols.cmp.signer import Signer
from enrollment.protocols.cmp.support import Support
from enrollment.redemption import Redemption
from server.answering_cmp import tell
from tests.support.house import House


def cmp_door_of(house: House, *, redemption: Redemption | None = None, signer: Signer | None = None) -> CmpDoor:
    """Return CMP; `redemption` and `signer` are others than the house's, which break for instance."""
    database, clock = house.database, house.clock
    smallest, _ = house.profile.rsa_bits
    return CmpDoor(
        lambda: Operations(
            clock=clock,
            authentication=Authentication(database, MacSecrets(database, house.hasher, house.opener)),
            enrolment=Enrolment(database, redemption or house.redemption, house.renewal, house.confirmations, tell),
            endings=house.endings,
            support=Support(database, house.profile.addresses, house.crl_folder, house.profile.subject_keys, smallest),
            signer=cache(lambda: signer or cmp_signer_of(house)),
            tell=tell,
        )
    )


def cmp_signer_of(house: House) -> Signer:
    """Return CMP's signer."""
    found = service(house.database, CMP)
    return Signer(found.certificate, (house.issuing.issuer.der,), house.keys.open_signing(found.key_name))
