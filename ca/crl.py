"""Certificate revocation lists (RFC 5280 §5): numbered, signed, on record, then renamed into place.

Numbers and times only rise. The number is taken in a transaction of its own, together with a snapshot of what is listed;
the signature is made outside of any; a list is in force once its row is stored, and its file follows under the folder's lock.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from ca import crl_blocks, crl_drafts, crl_entries
from ca.crl_blocks import Blocks, Place, few_at_a_time
from ca.crl_drafts import Draft, ListFaultError, Stage
from ca.crl_encoding import Extension, Frame, frame, list_name
from ca.crl_entries import COMPLETE, Changes
from ca.issuers import SigningIssuer
from ca.profiles import Addresses
from ca.tables import CrlPartitionRow, CrlRow, IssuerRow
from kernel import audit
from kernel.database import Database, forbid_open_transaction

# A list is made again at most after the time in which this many entries a second would be: a million, each twenty seconds.
_ENTRIES_A_SECOND = 50_000
# Blocks that are joined for good after one list: more are left to the next ones, so that revocations need not wait.
_KEPT_AT_ONCE = 64


# Lists in force, by partition and whether they are deltas.
_Standing = Mapping[tuple[int, bool], CrlRow]


class ClockBehindError(Exception):
    """The clock is behind the newest CRL that was signed: signing now would turn time back for relying parties."""


@dataclass(frozen=True)
class _Plan:
    """A list whose number is taken but which is not signed yet.

    `base` is what a delta beside it starts from, `before` the revision that the list before it shows.
    """

    partition: int
    number: int
    revision: int
    this_update: datetime
    next_update: datetime
    base: tuple[int, int] | None
    before: int | None


@dataclass(frozen=True)
class _Signed:
    """One file of a plan; `base_number` tells that it is a delta."""

    draft: Draft
    file: Path
    base_number: int | None


@dataclass(frozen=True)
class CrlPublisher:
    """Publishes one issuer's lists into a folder: the complete one, its partitions, and their deltas where asked for.

    A new one appears when anything changed and at least each `period`; each is good for `lifetime`. `partition_size` is
    how many certificates share a partition (0: none), as the profile has it. `addresses` stand in partitions and in
    what points to deltas.
    """

    database: Database
    signer: SigningIssuer
    folder: Path
    period: timedelta = timedelta(days=1)
    lifetime: timedelta = timedelta(days=3)
    addresses: Addresses | None = None
    partition_size: int = 0
    delta: bool = False
    # What stood at a path when it was last compared with its row.
    _seen: dict[Path, tuple[int, int, int, bytes]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse lists that must name an address without knowing any."""
        if (self.partition_size or self.delta) and self.addresses is None:
            raise ValueError("partitions and deltas name the addresses at which they are published")

    @property
    def name(self) -> str:
        """The issuer's name."""
        return self.signer.issuer.name

    @property
    def file(self) -> Path:
        """The complete list, as the status door serves it."""
        return self._place(COMPLETE)

    def publish_if_due(self, now: datetime) -> int | None:
        """Publish what changed or whose period is over; return the newest number or None. A job.

        A list that can not be made stops no other one, and is told at the end (ListFaultError).
        """
        newest, fault = None, None
        revisions, standing = self._lists(now)
        for partition in [one for one, revision in revisions.items() if self._is_due(one, revision, standing, now)]:
            try:
                newest = self.publish(now, partition)
            except ListFaultError as error:
                fault = fault or error
        if fault:
            raise fault
        return newest

    def publish_all(self, now: datetime) -> dict[Path, int]:
        """Publish the complete list and every partition's, due or not; return their files with their numbers."""
        return {self._place(partition): self.publish(now, partition) for partition in self._lists(now)[0]}

    def publish(self, now: datetime, partition: int = COMPLETE) -> int:
        """Sign and publish the next list, with its delta where there are deltas, and return its number.

        Raises ClockBehindError, and ListFaultError when what was written does not read back as it was meant.
        """
        moment = now.replace(microsecond=0)
        self._forget(moment)
        floor = self._floor(partition)
        with ExitStack() as drafts:
            with ExitStack() as stack:
                with self.database.transaction() as session:
                    number = self._take_number(session, moment, floor)
                    # Opened under the issuer's lock: a list with a higher number never shows less.
                    view = stack.enter_context(self.database.snapshot())
                    plan = self._plan(view, partition, number, moment)
                entries = crl_entries.whole(view, self.name, partition)
                stages = [self._stage(plan, entries)]
                if plan.base is not None:
                    stages.append(self._stage_delta(view, plan, plan.base))
                written = [drafts.enter_context(stage) for stage in stages]
            self._put_in_force(plan, self._signed(plan, written), now)
        self._keep(entries.missing, plan)
        return number

    def _plan(self, session: Session, partition: int, number: int, now: datetime) -> _Plan:
        revision = crl_entries.revision(session, self.name, partition)
        base = self._base(session, partition, now, (number, revision))
        before = latest(session, self.name, partition)
        return _Plan(partition, number, revision, now, now + self.lifetime, base, before.revision if before else None)

    def _place(self, partition: int, *, delta: bool = False) -> Path:
        return crl_file(self.folder, list_name(self.name, partition, delta=delta))

    def _lists(self, now: datetime) -> tuple[dict[int, int], _Standing]:
        """Return the lists that there are to be, by partition, with their revisions; and what is in force of them.

        The next partition has a list before its first certificate; those whose last certificate has ended are closed.
        """
        with self.database.snapshot() as session:
            complete = crl_entries.revision(session, self.name, COMPLETE)
            known = crl_entries.partitions(session, self.name)
            standing = in_force(session, self.name)
            newest = crl_entries.open_partition(session, self.partition_size)
            current = {newest, newest + 1} if newest != COMPLETE else set()
            scheduled = (number for number in known if number not in current and self._is_scheduled(standing, number, now))
            ended = [number for number in scheduled if crl_entries.is_over(session, self.name, number, now - 2 * self.period)]
        ahead = sorted(current - {*known})
        if ahead or ended:
            with self.database.transaction() as session:
                for number in ahead:
                    crl_entries.open_ahead(session, self.name, number)
                for number in ended:
                    crl_entries.close(session, self.name, number)
        for number in ended:
            for delta in (False, True):
                self._place(number, delta=delta).unlink(missing_ok=True)
        # Certificates name partitions where there are some, so those come before the list of everything, which takes longer.
        kept = {**known, **dict.fromkeys(ahead, 0), COMPLETE: complete}
        return {number: revision for number, revision in kept.items() if number not in ended}, standing

    def _is_scheduled(self, standing: _Standing, partition: int, now: datetime) -> bool:
        newest = standing.get((partition, False))
        return newest is not None and now >= newest.this_update + self.period

    def _is_due(self, partition: int, revision: int, standing: _Standing, now: datetime) -> bool:
        newest = standing.get((partition, False))
        if newest is None or self._is_scheduled(standing, partition, now):
            return True
        if newest.revision != revision:
            return now >= newest.this_update + timedelta(seconds=newest.entries // _ENTRIES_A_SECOND)
        # A crash between row and file, or a file that was lost or replaced: the next number stands for both.
        return not (
            self._stands(self._place(partition), newest)
            and (not self.delta or self._stands(self._place(partition, delta=True), standing.get((partition, True))))
        )

    def _stands(self, file: Path, row: CrlRow | None) -> bool:
        """Return whether a file is what its row says; it is read only when it changed since it was looked at."""
        if row is None:
            return False
        try:
            mark = _mark(file)
        except FileNotFoundError:
            return False
        seen = self._seen.get(file)
        if seen is None or seen[:3] != mark:
            seen = (*mark, crl_drafts.digest_of(file) or b"")
            self._seen[file] = seen
        return seen[3] == row.sha256

    def _forget(self, now: datetime) -> None:
        """Drop the entries of certificates that were listed for two periods after their end (RFC 5280 §3.3 asks for one)."""
        ended_before = now - 2 * self.period
        with self.database.snapshot() as session:
            if not crl_entries.has_ended(session, self.name, ended_before):
                return
        with self.database.transaction() as session:
            crl_entries.purge(session, self.name, ended_before)

    def _floor(self, partition: int) -> tuple[int, datetime] | None:
        """Return number and time of a published list that our records do not know: they were restored from a backup."""
        file = self._place(partition)
        with self.database.snapshot() as session:
            newest = latest(session, self.name, partition)
        if self._stands(file, newest):
            return None
        try:
            with file.open("rb") as handle, crl_drafts.mapped(handle.fileno()) as view:
                crl_drafts.verify(view, self.signer.issuer)
                said = crl_drafts.without_entries(view)
        except (FileNotFoundError, ListFaultError):
            return None
        return number_of(said), said.last_update_utc

    def _take_number(self, session: Session, now: datetime, floor: tuple[int, datetime] | None) -> int:
        # RFC 5280 §5.2.3: numbers only grow, so the row is locked.
        issuer = session.scalars(select(IssuerRow).where(IssuerRow.name == self.name).with_for_update()).one()
        number, newest = max((issuer.crl_number, issuer.crl_time or now), floor or (0, now))
        newest = max(newest, issuer.crl_time or newest)
        if now < newest:
            raise ClockBehindError(f"now is {now}, CRL {number} of {issuer.name} is of {newest}")
        # At least the seconds since the issuer began: whatever a restored backup forgot was lower.
        age = now - self.signer.issuer.certificate.not_valid_before_utc
        issuer.crl_number, issuer.crl_time = max(number + 1, int(age.total_seconds())), now
        return issuer.crl_number

    def _base(self, session: Session, partition: int, now: datetime, own: tuple[int, int]) -> tuple[int, int] | None:
        """Return number and revision of the list that a delta starts from.

        It is the newest that nobody may use any more, so that the delta fits every list that is still good.
        """
        if not self.delta:
            return None
        complete = select(CrlRow).where(CrlRow.issuer == self.name, CrlRow.partition == partition, ~CrlRow.is_delta)
        over = session.scalar(complete.where(CrlRow.next_update <= now).order_by(CrlRow.number.desc()).limit(1))
        base = over or session.scalar(complete.order_by(CrlRow.number).limit(1))
        return (base.number, base.revision) if base else own

    def _stage(self, plan: _Plan, entries: Blocks) -> AbstractContextManager[Stage]:
        extensions = list(self._extensions(plan))
        if plan.base is not None and self.addresses is not None:
            address = self.addresses.crl(list_name(self.name, plan.partition, delta=True))
            extensions.append((x509.FreshestCRL([_point(address)]), False))
        return crl_drafts.stage(self.signer.issuer, self._frame(plan, extensions), entries, self._place(plan.partition))

    def _stage_delta(self, session: Session, plan: _Plan, base: tuple[int, int]) -> AbstractContextManager[Stage]:
        framed = self._frame(plan, [*self._extensions(plan), (x509.DeltaCRLIndicator(base[0]), True)])
        changes = Changes(session, self.name, plan.partition, base[1])
        return crl_drafts.stage(self.signer.issuer, framed, changes, self._place(plan.partition, delta=True))

    def _frame(self, plan: _Plan, extensions: list[Extension]) -> Frame:
        return frame(self.signer.issuer, plan.this_update, plan.next_update, extensions)

    def _extensions(self, plan: _Plan) -> Iterator[Extension]:
        yield x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self.signer.issuer.key_identifier), False
        yield x509.CRLNumber(plan.number), False
        if plan.partition != COMPLETE and self.addresses is not None:
            yield _scope(self.addresses.crl(list_name(self.name, plan.partition))), True

    def _signed(self, plan: _Plan, stages: list[Stage]) -> list[_Signed]:
        """Sign the list, and the delta that may come second."""
        forbid_open_transaction()
        numbers = (None, plan.base[0]) if plan.base is not None else (None,)
        return [
            _Signed(stage.sign(self.signer), self._place(plan.partition, delta=number is not None), number)
            for stage, number in zip(stages, numbers, strict=True)
        ]

    def _put_in_force(self, plan: _Plan, lists: list[_Signed], now: datetime) -> None:
        """Put the rows on record and the files into place, unless a newer list got there first."""
        with crl_drafts.publishing(self.folder):
            with self.database.transaction() as session:
                newest = latest(session, self.name, plan.partition)
                if newest is not None and newest.number > plan.number:
                    return
                for signed in lists:
                    self._record(session, plan, signed, now)
                self._drop_old_rows(session, plan)
            if plan.base is None:
                self._place(plan.partition, delta=True).unlink(missing_ok=True)
            for signed in lists:
                signed.draft.put_in_place(signed.file)
                self._seen[signed.file] = (*_mark(signed.file), signed.draft.sha256)
            crl_drafts.sweep(self._place(plan.partition))

    def _keep(self, places: tuple[Place, ...], plan: _Plan) -> None:
        """Keep blocks that had to be joined and have been quiet since the list before."""
        if plan.before is None:
            return
        for some in few_at_a_time(places[:_KEPT_AT_ONCE]):
            with self.database.transaction() as session:
                crl_blocks.keep(session, self.name, some, plan.before)

    def _record(self, session: Session, plan: _Plan, signed: _Signed, now: datetime) -> None:
        session.add(
            CrlRow(
                issuer=self.name,
                partition=plan.partition,
                is_delta=signed.base_number is not None,
                number=plan.number,
                base_number=signed.base_number,
                revision=plan.revision,
                this_update=plan.this_update,
                next_update=plan.next_update,
                entries=signed.draft.entries,
                sha256=signed.draft.sha256,
            )
        )
        audit.record(
            session,
            now=now,
            actor=audit.job("crl"),
            action="crl.publish",
            subject=f"issuer:{self.name}",
            list=signed.file.name,
            number=plan.number,
            entries=signed.draft.entries,
            sha256=signed.draft.sha256.hex(),
        )

    def _drop_old_rows(self, session: Session, plan: _Plan) -> None:
        # The newest list that is over is a base of deltas; older ones nobody asks for. The audit log knows them all.
        of_list = (CrlRow.issuer == self.name, CrlRow.partition == plan.partition)
        is_old = CrlRow.this_update < plan.this_update - 2 * self.lifetime
        session.execute(delete(CrlRow).where(*of_list, is_old, CrlRow.number != (plan.base or (0, 0))[0]))
        if plan.base is None:  # deltas that are no longer made are withdrawn, before they are over
            session.execute(delete(CrlRow).where(*of_list, CrlRow.is_delta))


def in_force(session: Session, issuer: str) -> _Standing:
    """Return the newest lists of an issuer: the complete one, its partitions', and the deltas beside them."""
    newest = select(func.max(CrlRow.number)).where(CrlRow.issuer == issuer, ~CrlRow.is_delta)
    # One look into the key for each partition: what was published before is not read.
    of_partition = newest.where(CrlRow.partition == CrlPartitionRow.number).correlate(CrlPartitionRow).scalar_subquery()
    known = select(CrlPartitionRow.number, of_partition).where(CrlPartitionRow.issuer == issuer)
    numbers = [(COMPLETE, session.scalar(newest.where(CrlRow.partition == COMPLETE)))]
    numbers += [(partition, number) for partition, number in session.execute(known)]
    named = tuple_(CrlRow.partition, CrlRow.number).in_([(partition, number) for partition, number in numbers if number])
    return {(row.partition, row.is_delta): row for row in session.scalars(select(CrlRow).where(CrlRow.issuer == issuer, named))}


def latest(session: Session, issuer: str, partition: int = COMPLETE, *, delta: bool = False) -> CrlRow | None:
    """Return the CRL in force."""
    query = select(CrlRow).where(CrlRow.issuer == issuer, CrlRow.partition == partition, CrlRow.is_delta == delta)
    return session.scalar(query.order_by(CrlRow.number.desc()).limit(1))


def crl_file(folder: Path, name: str) -> Path:
    """Return where a list is published, by its name (`crl_encoding.list_name`)."""
    return folder / f"{name}.crl"


def _mark(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def number_of(crl: x509.CertificateRevocationList) -> int:
    """Return a list's number (RFC 5280 §5.2.3)."""
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _point(address: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(address)], None, None, None)


def _scope(address: str) -> x509.IssuingDistributionPoint:
    """Say what a partition is a list of: the certificates that name this address, none of them a CA's (§5.2.5)."""
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(address)],
        relative_name=None,
        only_contains_user_certs=True,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
