"""What a terminal may ask besides certificates: genm (RFC 9483 §4.3, RFC 9810 §5.3.19)."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from pyasn1.type.base import Asn1Item
from pyasn1_alt_modules import rfc5280, rfc9810
from sqlalchemy.orm import Session

from ca import certificates, hierarchy, issuers, terms
from ca.crl import crl_file
from ca.crl_encoding import LIST_NAME
from ca.der import SEQUENCE, integer, tlv
from ca.issuers import Issuer
from ca.plan import link_name
from ca.profiles import Addresses
from enrollment.protocols.cmp import oids
from enrollment.protocols.cmp.answers import explicit
from enrollment.protocols.cmp.failures import FailInfo, Fault
from enrollment.protocols.cmp.messages import Information, decoded, instant_of, optional
from enrollment.protocols.cmp.oids import encoded_oid
from kernel.database import Database

# A longer list is for HTTP: the address stands in every certificate.
LONGEST_LIST = 4_194_304
MOST_QUESTIONS = 16
_EC, _RSA, _ED25519 = "1.2.840.10045.2.1", "1.2.840.113549.1.1.1", "1.3.101.112"
_P256, _P384 = "1.2.840.10045.3.1.7", "1.3.132.0.34"


@dataclass(frozen=True)
class Support:
    """Answers questions. `key_kinds` are those of the terminals' profile, with the fewest bits of an RSA key."""

    database: Database
    addresses: Addresses
    crl_folder: Path
    key_kinds: tuple[str, ...]
    rsa_bits: int

    def answer(self, asked: tuple[Information, ...], now: datetime) -> list[Information]:
        """Answer each question in its order; those that we do not know are told together, last. Raises Fault."""
        if len(asked) > MOST_QUESTIONS:
            raise Fault(FailInfo.BAD_REQUEST, "too many questions")
        without_value = {
            oids.CA_CERTS: self._authorities,
            oids.CERT_REQ_TEMPLATE: self._template,
            oids.SIGN_KEY_PAIR_TYPES: self._key_types,
            oids.CURRENT_CRL: self._current_list,
        }
        with_value = {oids.ROOT_CA_CERT: self._root_update, oids.CRL_STATUS_LIST: self._newer_lists}
        told, unknown = [], []
        for one in asked:
            if one.oid in without_value:
                if one.value is not None:
                    raise Fault(FailInfo.BAD_REQUEST, "this question has no value")
                told.append(without_value[one.oid](now))
            elif one.oid in with_value:
                if one.value is None:
                    raise Fault(FailInfo.BAD_REQUEST, "this question lacks its value")
                told.append(with_value[one.oid](one.value, now))
            else:
                unknown.append(one.oid)
        if unknown:
            told.append(Information(oids.UNSUPPORTED_OIDS, tlv(SEQUENCE, b"".join(map(_encoded, unknown)))))
        return told

    def _authorities(self, now: datetime) -> Information:
        with self.database.snapshot() as session:
            found = hierarchy.authorities(session, now)
        return Information(oids.CA_CERTS, tlv(SEQUENCE, b"".join(issuer.der for issuer in found)) if found else None)

    def _root_update(self, old: bytes, now: datetime) -> Information:
        """RFC 9483 §4.3.2: the root that follows the given one, and what links the two; nothing while none follows."""
        with self.database.snapshot() as session:
            roots = hierarchy.roots(session, now)
            given = next((issuer for issuer in issuers.load_all(session) if issuer.der == old), None)
            followers = [] if given is None else [root for root in roots if _follows(session, root, given)]
            if given is None or not followers:
                return Information(oids.ROOT_CA_KEY_UPDATE, None)
            new = max(followers, key=lambda root: root.certificate.not_valid_before_utc)
            new_with_old, old_with_new = _link(session, new.name, given.name), _link(session, given.name, new.name)
        update = new.der + explicit(0, new_with_old) + (explicit(1, old_with_new) if old_with_new else b"")
        return Information(oids.ROOT_CA_KEY_UPDATE, tlv(SEQUENCE, update))

    def _template(self, _now: datetime) -> Information:
        """RFC 9483 §4.3.3: only the key is the sender's to choose, so the template itself is empty."""
        controls = [_control(oids.ALGORITHM_CONTROL, algorithm) for algorithm in self._algorithms() if algorithm != _rsa()]
        if "rsa" in self.key_kinds:
            controls.append(_control(oids.RSA_LENGTH_CONTROL, integer(self.rsa_bits)))
        return Information(oids.CERT_REQ_TEMPLATE, tlv(SEQUENCE, tlv(SEQUENCE, b"") + tlv(SEQUENCE, b"".join(controls))))

    def _key_types(self, _now: datetime) -> Information:
        return Information(oids.SIGN_KEY_PAIR_TYPES, tlv(SEQUENCE, b"".join(self._algorithms())))

    def _algorithms(self) -> list[bytes]:
        known = {
            "p256": tlv(SEQUENCE, encoded_oid(_EC) + encoded_oid(_P256)),
            "p384": tlv(SEQUENCE, encoded_oid(_EC) + encoded_oid(_P384)),
            "rsa": _rsa(),
            "ed25519": tlv(SEQUENCE, encoded_oid(_ED25519)),
        }
        return [known[kind] for kind in self.key_kinds if kind in known]

    def _current_list(self, now: datetime) -> Information:
        with self.database.snapshot() as session:
            turn = terms.whose_turn(terms.succession(session), now)
        return Information(oids.CURRENT_CRL, None if turn is None else self._published(turn.name))

    def _newer_lists(self, status_list: bytes, _now: datetime) -> Information:
        """RFC 9483 §4.3.4: the lists that were published since the sender's."""
        try:
            asked = decoded(status_list, rfc9810.CRLStatusListValue())
        except ValueError:
            raise Fault(FailInfo.BAD_DATA_FORMAT, "the status list can not be read") from None
        if len(asked) > MOST_QUESTIONS:
            raise Fault(FailInfo.BAD_REQUEST, "too many lists")
        newer = [found for one in asked if (found := self._newer(one)) is not None]
        return Information(oids.CRLS, tlv(SEQUENCE, b"".join(newer)) if newer else None)

    def _newer(self, asked: Asn1Item) -> bytes | None:
        name = self._list_name(asked["source"])
        found = self._published(name) if name else None
        known = optional(asked, "thisUpdate")
        if found is None or known is None:
            return found
        try:
            seen = instant_of(known.getComponent())
        except ValueError:
            raise Fault(FailInfo.BAD_DATA_FORMAT, "thisUpdate can not be read") from None
        return found if x509.load_der_x509_crl(found).last_update_utc > seen else None

    def _list_name(self, source: Asn1Item) -> str | None:
        """Return the list that a distribution point or an issuer means."""
        names = source.getComponent()
        if source.getName() == "dpn":
            if names.getName() != "fullName":
                return None
            names = names.getComponent()
        for name in names:
            if name.getName() == "uniformResourceIdentifier":
                address = str(name.getComponent())
                list_name = address.rpartition("/")[2].removesuffix(".crl")
                if LIST_NAME.fullmatch(list_name) and self.addresses.crl(list_name) == address:
                    return list_name
            if name.getName() == "directoryName":
                return self._of_issuer(name.getComponent())
        return None

    def _of_issuer(self, name: Asn1Item) -> str | None:
        with self.database.snapshot() as session:
            ours = {issuer.subject_der: issuer.name for issuer in issuers.load_all(session)}
        return next((found for der, found in ours.items() if decoded(der, rfc5280.Name()) == name), None)

    def _published(self, name: str) -> bytes | None:
        file = crl_file(self.crl_folder, name)
        try:
            return file.read_bytes() if file.stat().st_size <= LONGEST_LIST else None
        except FileNotFoundError:
            return None


def _follows(session: Session, root: Issuer, older: Issuer) -> bool:
    """Return whether a root is linked with an older one: links go both ways."""
    is_newer = root.certificate.not_valid_before_utc > older.certificate.not_valid_before_utc
    return is_newer and bool(_link(session, root.name, older.name))


def _link(session: Session, subject: str, signer: str) -> bytes:
    """Return the newest certificate that one root gave another, or nothing."""
    found = certificates.of_subject(session, link_name(subject, signer))
    return next((record.der for record in found if record.der is not None), b"")


def _rsa() -> bytes:
    return tlv(SEQUENCE, encoded_oid(_RSA) + b"\x05\x00")


def _control(oid: str, value: bytes) -> bytes:
    return tlv(SEQUENCE, encoded_oid(oid) + value)


def _encoded(oid: str) -> bytes:
    # Not kept: it is a stranger's.
    return encoded_oid.__wrapped__(oid)
