"""What a terminal learns of authorities when the root changes."""

from datetime import timedelta

from cryptography import x509
from pyasn1.codec.der import decoder, encoder
from pyasn1_alt_modules import rfc9810

from ca import issuers
from ca.ceremony import Ceremony
from tests.ca.test_ceremony_rollover import with_new_root
from tests.enrollment.protocols.cmp.conftest import World
from tests.enrollment.protocols.cmp.reading import contents
from tests.enrollment.protocols.cmp.writing import GENM, info, seq

ROOT_CA_CERT, ROOT_CA_KEY_UPDATE = "1.3.6.1.5.5.7.4.20", "1.3.6.1.5.5.7.4.18"


def test_a_new_root_comes_with_its_links_and_with_certificates(world: World) -> None:
    house = world.house
    Ceremony(house.database, house.keys, with_new_root(house.plan)).hold(world.clock.advance(timedelta(hours=1)))
    with house.database.snapshot() as session:
        new = issuers.load(session, "root-2")
    assert new is not None
    terminal = world.terminal()
    [told] = world.send(terminal.draft(seq(info(ROOT_CA_CERT, house.root.der)), GENM), terminal.secret).content
    assert str(told["infoType"]) == ROOT_CA_KEY_UPDATE
    update, _ = decoder.decode(bytes(told["infoValue"]), asn1Spec=rfc9810.RootCaKeyUpdateValue())
    assert encoder.encode(update["newWithNew"]) == new.der
    new_with_old = x509.load_der_x509_certificate(contents(update["newWithOld"]))
    old_with_new = x509.load_der_x509_certificate(contents(update["oldWithNew"]))
    assert (new_with_old.public_key(), old_with_new.public_key()) == (new.public_key, house.root.public_key)
    new_with_old.verify_directly_issued_by(house.root.certificate)
    old_with_new.verify_directly_issued_by(new.certificate)
    [nothing] = world.send(terminal.draft(seq(info(ROOT_CA_CERT, new.der)), GENM), terminal.secret).content
    assert not nothing["infoValue"].hasValue()
    published = world.send(terminal.draft(), terminal.secret).content["caPubs"]
    assert {encoder.encode(one) for one in published} == {house.root.der, new.der}
