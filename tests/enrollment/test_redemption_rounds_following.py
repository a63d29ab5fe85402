"""Second certificates in rounds: whatever follows from one is, row by row, what follows when it is fetched alone."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from ca import certificates
from ca.revocation import Reason
from ca.tables import CertificateRow, CrlEntryRow, CrlRemovalRow
from enrollment.bulk import BulkRevocation
from enrollment.deeds import Deed, Ending
from enrollment.receipts import RetrievalReceiptRow
from enrollment.redemption import Redemption, Retrieved
from enrollment.reissue_records import ReissueReason, ReissueState
from enrollment.successions import RenewalState
from enrollment.tables import CodeSetRow, CredentialRow, ReissueRow, RenewalRow
from kernel import audit
from kernel.audit import AuditEntry
from kernel.database import connect
from registry.tables import NewsRow, TerminalRow
from tests.crash import ledger
from tests.crash.ledger import received_by
from tests.enrollment.renewing import renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SOURCE, House, new_request

CUSTOMER = audit.customer(OFFICE, "hanako")


def _nothing(house: House, name: str) -> None:
    """Leave the terminal's certificate as it is."""
    del house, name


def _hold(house: House, name: str) -> None:
    with house.database.transaction() as session:
        [old] = certificates.of_subject(session, name)
        Deed(session, PREPARER, house.clock.now(), name, OFFICE).hold(old.issuer, old.serial)


def _release(house: House, name: str) -> None:
    _hold(house, name)
    with house.database.transaction() as session:
        [old] = certificates.of_subject(session, name)
        Deed(session, PREPARER, house.clock.now(), name, OFFICE).release(old.issuer, old.serial)


def _revoke(house: House, name: str) -> None:
    house.endings.revoke(name, Reason.PRIVILEGE_WITHDRAWN, PREPARER)


def _ask(house: House, name: str) -> None:
    house.reissues.request(name, ReissueReason.PC_REPLACED, CUSTOMER, office_code=OFFICE)


def _accept(house: House, name: str) -> None:
    asked = house.reissues.request(name, ReissueReason.PC_REPLACED, CUSTOMER, office_code=OFFICE)
    house.reissues.accept(asked.id, APPROVER)


KINDS: tuple[Callable[[House, str], None] | None, ...] = (None, _nothing, _hold, _release, _revoke, _ask, _accept)


def _ready(house: House, clock: SettableClock, kind: Callable[[House, str], None] | None) -> list[str]:
    """Return two terminals with codes of which the same was done; None of none, as they have no certificate yet."""
    names = house.new_terminals(2) if kind is None else [house.issue().terminal for _ in range(2)]
    clock.advance(timedelta(hours=1))
    for name in names if kind else ():
        assert kind is not None
        kind(house, name)
    clock.advance(timedelta(days=5))
    with house.database.snapshot() as session:
        accepted = {row.terminal: row.id for row in session.scalars(select(ReissueRow)) if row.state == ReissueState.ACCEPTED}
    for name in names:
        if name in accepted:
            house.reissue_preparation.prepare(accepted[name], PREPARER)
        else:
            house.preparation.prepare_existing(name, APPROVER, PREPARER)
    return names


def _retrieve(house: House, names: Sequence[str], *, by: Sequence[Redemption] = ()) -> list[Retrieved]:
    """Let all terminals redeem their codes at the same moment, by one or several processes."""
    barrier, doors = Barrier(len(names)), by or [house.redemption]
    codes = [house.codes_of(name) for name in names]

    def redeem(number: int) -> Retrieved:
        barrier.wait(60)
        return doors[number % len(doors)].redeem(codes[number], new_request().pem, SOURCE)

    with ThreadPoolExecutor(len(names)) as threads:
        return list(threads.map(redeem, range(len(names))))


@contextmanager
def _only(house: House, *, together: bool) -> Iterator[None]:
    """Let T2 be done in rounds only, or by each alone only."""

    def on_redeem(_connection: Connection, _cursor: object, statement: str, *_context: object) -> None:
        if statement.startswith("UPDATE enrollment_code_set") and "redeemed_at" in statement:
            is_round = " IN (" in statement or " ANY (" in statement
            if is_round != together:
                raise RuntimeError(statement)

    event.listen(house.database.engine, "before_cursor_execute", on_redeem)
    yield
    event.remove(house.database.engine, "before_cursor_execute", on_redeem)


def _record(house: House, name: str) -> dict[str, Any]:
    """Return all that stands of a terminal, with places in the order of its certificates instead of their serial numbers."""
    with house.database.snapshot() as session:

        def rows(table: type[Any], *conditions: Any) -> list[Any]:  # noqa: ANN401 (conditions are)
            return list(session.scalars(select(table).where(*conditions)))

        own = sorted(rows(CertificateRow, CertificateRow.subject == name), key=lambda row: row.id)
        place = {row.serial: number for number, row in enumerate(own)} | {None: None}
        ids = [row.id for row in own]
        [terminal] = rows(TerminalRow, TerminalRow.name == name)
        [credential] = rows(CredentialRow, CredentialRow.terminal == name)
        sets = sorted(rows(CodeSetRow, CodeSetRow.terminal == name), key=lambda row: row.prepared_at)
        entries = sorted(rows(AuditEntry, AuditEntry.subject == f"terminal:{name}"), key=lambda row: row.id)
        receipts = rows(RetrievalReceiptRow, RetrievalReceiptRow.terminal == name)

        def listed(table: type[Any]) -> list[Any]:
            return [
                (ids.index(row.certificate_id), row.partition, row.until, row.entry.replace(_octets(own, row), b""))
                for row in rows(table, table.certificate_id.in_(ids))
            ]

        return {
            "terminal": (terminal.state, terminal.changed_at),
            "certificates": [_of(row, "issuer state reason revoked_at invalid_since issued_at not_after") for row in own],
            "credential": (place[credential.serial], *_of(credential, "issuer office_code last_day since")),
            "key": [credential.access_key_digest == row.access_key_digest for row in sets],
            "sets": [(row.state, place[row.serial], row.claimed_at, row.redeemed_at, row.sealed is None) for row in sets],
            "audit": [
                (entry.at, entry.actor.replace(name, ""), entry.action, entry.office_code, _facts(entry, place))
                for entry in entries
            ],
            "entries": listed(CrlEntryRow),
            "removals": listed(CrlRemovalRow),
            "news": [
                (row.at, row.office_code, row.kind, row.code, _without_names(row.target))
                for row in sorted(rows(NewsRow), key=lambda row: row.id)
                if row.facts.get("terminal") == name
            ],
            "receipts": sorted((place[row.serial], row.interface, row.at, row.starts_at, row.ends_at) for row in receipts),
            "reissues": [(row.state, row.ended_at, row.ends_on) for row in rows(ReissueRow, ReissueRow.terminal == name)],
            "renewals": [(row.state, place[row.serial]) for row in rows(RenewalRow, RenewalRow.terminal == name)],
        }


def _of(row: object, columns: str) -> tuple[object, ...]:
    return tuple(getattr(row, column) for column in columns.split())


def _octets(own: Sequence[CertificateRow], row: CrlEntryRow) -> bytes:
    [serial] = [one.serial for one in own if one.id == row.certificate_id]
    return int(serial, 16).to_bytes(20, "big")


def _without_names(text: object) -> object:
    """Return a text without a reissue's name, which is random."""
    return re.sub(r"[0-9a-f]{32}", "", text) if isinstance(text, str) else text


def _facts(entry: AuditEntry, place: Mapping[str | None, int | None]) -> Mapping[str, object]:
    facts: dict[str, object] = {name: _without_names(fact) for name, fact in entry.facts.items() if name != "serial"}
    if "serial" in entry.facts:
        facts["serial"] = place[str(entry.facts["serial"])]
    return facts | ({"sha256": ""} if "sha256" in facts else {})


def test_what_follows_from_a_certificate_is_the_same_in_a_round_as_alone(house: House, clock: SettableClock) -> None:
    twice = [_ready(house, clock, kind) for kind in KINDS]
    with _only(house, together=True):
        _retrieve(house, [together for together, _ in twice])
    with _only(house, together=False):
        for _, alone in twice:
            _retrieve(house, [alone])
    records = [_record(house, together) for together, _ in twice]
    for record, (_, alone) in zip(records, twice, strict=True):
        assert record == _record(house, alone)
    assert [[row[1:3] for row in record["certificates"]] for record in records] == [
        [("valid", None)],
        *[[("revoked", "superseded"), ("valid", None)]] * 3,
        [("revoked", "privilegeWithdrawn"), ("valid", None)],
        *[[("revoked", "superseded"), ("valid", None)]] * 2,
    ]
    assert [[row[0] for row in record["reissues"]] for record in records[-2:]] == [["requested"], ["completed"]]
    assert ledger.faults(house, []) == []


def test_a_terminal_with_a_renewal_under_way_goes_alone_and_the_others_go_together(house: House, clock: SettableClock) -> None:
    terminal = renewable(house, clock)
    terminal.renew()
    others = [name for _ in range(2) for name in _ready(house, clock, _nothing)]
    house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    retrieved = _retrieve(house, [*others, terminal.terminal])
    assert all(one.is_new for one in retrieved)
    assert sorted(terminal.states().values()) == ["revoked", "revoked", "valid"]
    assert _record(house, terminal.terminal)["renewals"] == [(RenewalState.SETTLED, 1)]
    assert ledger.faults(house, [received_by(0, one) for one in retrieved]) == []


@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.KEY_COMPROMISE])
def test_rounds_of_two_processes_and_a_revocation_of_the_same_certificates_meet_without_a_fault(
    house: House, clock: SettableClock, reason: Reason
) -> None:
    names = [name for _ in range(8) for name in _ready(house, clock, _nothing)]
    with house.database.snapshot() as session:
        old = [f"{issuer}:{serial}" for issuer, serial in certificates.living(session, names)]
    url = house.database.engine.url.render_as_string(hide_password=False)
    nodes = [connect(url) for _ in range(3)]
    doors = [Redemption(node, house.clock, house.authority, house.hasher) for node in nodes[:2]]
    bulk = BulkRevocation(nodes[2], house.clock)
    with ThreadPoolExecutor(1) as elsewhere:
        revoking = elsewhere.submit(bulk.revoke, old, lambda now: Ending(reason, PREPARER, now))
        retrieved = _retrieve(house, names, by=doors)
        revoking.result(60)
    assert all(one.is_new for one in retrieved)
    for name in names:
        record = _record(house, name)
        assert [row[1] for row in record["certificates"]] == ["revoked", "valid"]
        assert [row[2] for row in record["audit"]].count("certificate.revoke") == 1
        assert len(record["entries"]) == 1
    assert ledger.faults(house, [received_by(0, one) for one in retrieved]) == []
    for node in nodes:
        node.dispose()
