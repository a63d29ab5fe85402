"""A root's key on its way out of the home and back: only what a root must sign needs it, and that is once in years."""

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ca import certificates, crl_entries, hierarchy, issuers, terms
from ca.certificates import CertificateState
from ca.crl import ClockBehindError, CrlPublisher, latest
from ca.issuers import Issuer, SigningIssuer
from ca.plan import ROOT
from ca.revocation import Ended, Reason
from enrollment.deeds import Ending, owner_of, revoke_many
from kernel import audit
from kernel.database import Database
from keys.algorithms import SigningKey
from keys.custody import SoftwareKeys
from keys.trouble import CustodyAwayError, KeyTroubleError
from server.custody import Custody, told_to_the_operator
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import home_of

SHORTEST_PASSPHRASE = 16
_TRIAL = b"whether the exported key signs"


@dataclass(frozen=True)
class RootKey:
    """The key of one root, kept in software; one in a token is kept away by taking the token away."""

    settings: Settings
    database: Database
    name: str

    def export(self, file: Path, passphrase: bytes, now: datetime) -> None:
        """Write the key as encrypted PKCS#8, read that again and try it; raises Trouble when the file exists."""
        issuer, keys = self.issuer(), self._keys()
        with told_to_the_operator():
            key = keys.open_signing(self.name)
            _fitting(issuer, key)
            _place_of(file, passphrase).keep(file.stem, key)
        self.require_exported(file, passphrase)
        self._record("root.export", now, file)

    def require_exported(self, file: Path, passphrase: bytes) -> SigningKey:
        """Return the key that an exported file holds; raises Trouble unless it is this root's and signs."""
        place = _place_of(file, passphrase)
        with told_to_the_operator():
            key = place.open_signing(file.stem)
        _fitting(self.issuer(), key).sign(_TRIAL)
        return key

    def remove(self, file: Path, passphrase: bytes, now: datetime) -> None:
        """Delete the key from the home, once the exported file was read again; on record before it is done."""
        keys = self._keys()
        if not keys.exists(self.name):
            raise Trouble(f"the key of {self.name} is not in this home")
        self.require_exported(file, passphrase)
        self._record("root.remove", now, file)
        keys.path(self.name).unlink()
        folder = os.open(keys.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def bring_back(self, file: Path, passphrase: bytes, now: datetime) -> None:
        """Put an exported key back into the home."""
        key = self.require_exported(file, passphrase)
        with told_to_the_operator():
            self._keys().keep(self.name, key)
        self._record("root.import", now, file)

    def publish_list(self, now: datetime, exported: tuple[Path, bytes] | None = None) -> int:
        """Sign and publish the root's next CRL and return its number.

        The key is the one in the home or its token; or an exported one, by file and passphrase, that is not put into the home.
        """
        issuer = self.issuer()
        key = self.require_exported(*exported) if exported else self._key_that_is_here()
        with self.database.snapshot() as session:
            agreed = terms.load(session, self.name)
        if agreed is None:
            raise Trouble(f"{self.name} has no terms: hold its ceremony first")
        signer, folder = _fitting(issuer, key), home_of(self.settings).published
        publisher = CrlPublisher(self.database, signer, folder, period=agreed.crl_period, lifetime=agreed.crl_lifetime)
        try:
            number = publisher.publish(now)
        except ClockBehindError as error:
            raise Trouble(f"the clock is behind the newest CRL ({error}): set it right") from error
        self._record("root.crl", now, exported[0] if exported else None, number=number)
        return number

    def revoke(self, subject: str, reason: Reason, now: datetime) -> list[Ended]:
        """Revoke what this root gave under a name, an issuing CA or a link, and return the certificates that were ended.

        After a compromise these are all on the same key, whoever signed them, a root's own among them. Raises Trouble when
        the root gave none that stands. Its next list tells it; an issuing CA stops issuing at once.
        """
        with self.database.transaction() as session:
            given = [one for one in certificates.of_subject(session, subject) if one.issuer == self.name != subject]
            standing = {(one.issuer, one.serial): owner_of(subject, None) for one in given if one.state == CertificateState.VALID}
            done = revoke_many(session, standing, Ending(reason, audit.operator("root"), now))
        if not standing:
            raise Trouble(f"{self.name} has given no certificate to {subject} that is in force")
        return list(done.ended)

    def whereabouts(self) -> str:
        """Say where the key is."""
        place = self.settings.keys.place(self.name)
        try:
            is_here = Custody(self.settings).keys.exists(self.name)
        except KeyTroubleError as trouble:
            return str(trouble)
        if place is not None:
            return f"in token {place.token!r}" if is_here else f"not in token {place.token!r}"
        return "in this home" if is_here else "kept away from this home"

    def _key_that_is_here(self) -> SigningKey:
        keys, place = Custody(self.settings).keys, self.settings.keys.place(self.name)
        again = "`tegata root crl`" if self.name == ROOT else f"`tegata root crl --name {self.name}`"
        try:
            return keys.open_signing(self.name)
        except CustodyAwayError as away:
            raise Trouble(f"{away}: put it in, say {again} again, and take it out afterwards") from away
        except KeyTroubleError as error:
            if place is not None or keys.exists(self.name):
                raise Trouble(str(error)) from error
            raise Trouble(
                f"the key of {self.name} is not in this home: name its exported file, {again[:-1]} FILE --passphrase-file …`"
            ) from error

    def _keys(self) -> SoftwareKeys:
        if self.settings.keys.place(self.name) is not None:
            raise Trouble(f"the key of {self.name} is in a token and does not leave it: keep the token away instead")
        return Custody(self.settings).software

    def issuer(self) -> Issuer:
        """Return the root; raises Trouble when it is none of ours."""
        with self.database.snapshot() as session:
            issuer = issuers.load(session, self.name)
        if issuer is None or issuer.certificate.issuer != issuer.certificate.subject:
            raise Trouble(f"{self.name} is no root of this house")
        return issuer

    def _record(self, action: str, now: datetime, file: Path | None, **facts: str | int) -> None:
        if file is not None:
            facts["file_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        with self.database.transaction() as session:
            audit.record(
                session,
                now=now,
                actor=audit.operator("root"),
                action=action,
                subject=f"issuer:{self.name}",
                office_code=None,
                **facts,
            )


def lists_to_come(settings: Settings, database: Database, now: datetime) -> list[str]:
    """Return a sentence for each root whose next list must tell of a revocation: only people bring its key to that."""
    with database.snapshot() as session:
        roots = [one.name for one in hierarchy.roots(session, now)]
        told = {name: newest.revision for name in roots if (newest := latest(session, name)) is not None}
        waiting = [name for name in roots if told.get(name) != crl_entries.revision(session, name, crl_entries.COMPLETE)]
    found = ((name, RootKey(settings, database, name).whereabouts()) for name in waiting)
    return [f"The next CRL of {name} tells it: `tegata root crl --name {name}`. Its key is {place}." for name, place in found]


def passphrase_of(file: Path) -> bytes:
    """Read a passphrase from a file that nobody else may read: one line."""
    if file.stat().st_mode & 0o077:
        raise Trouble(f"{file} can be read by others: chmod 600 it")
    passphrase = file.read_bytes().rstrip(b"\r\n")
    if len(passphrase) < SHORTEST_PASSPHRASE or b"\n" in passphrase:
        raise Trouble(f"{file} must hold one line of at least {SHORTEST_PASSPHRASE} characters")
    return passphrase


def _place_of(file: Path, passphrase: bytes) -> SoftwareKeys:
    if file.suffix != ".key":
        raise Trouble(f"{file}: the name of an exported key ends in .key")
    return SoftwareKeys(file.absolute().parent, passphrase)


def _fitting(issuer: Issuer, key: SigningKey) -> SigningIssuer:
    try:
        return SigningIssuer(issuer, key)
    except ValueError as error:
        raise Trouble(str(error)) from error
