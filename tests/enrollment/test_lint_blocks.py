"""A certificate that is not what the profile says: nothing is signed, it is on record, the codes are as good as before."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from flask.testing import FlaskClient
from sqlalchemy import select

from ca.authority import Authority
from ca.certificates import of_subject
from ca.issuers import SigningIssuer
from ca.profiles import Subject, Validity
from ca.template import TerminalTemplate, template_of
from enrollment.code_sets import CodeSetState
from enrollment.protocols import problems, retrieval, terminals
from enrollment.protocols.retrieval import RetrievalDoor
from enrollment.protocols.terminals import TerminalsDoor
from kernel.audit import AuditEntry
from tests.crash.faults import BrokenKey
from tests.enrollment.renewing import renewable
from tests.support.clock import SettableClock
from tests.support.house import House, new_request

Fault = Callable[[TerminalTemplate], TerminalTemplate]


@dataclass(frozen=True)
class _Slanted(Authority):
    """An authority whose template, by a fault of ours, writes something else than the profile says."""

    fault: Fault = lambda template: template

    @cached_property
    def _template(self) -> TerminalTemplate:
        return self.fault(template_of(self.signer.issuer, self.profile))


@dataclass(frozen=True)
class _LongLived(TerminalTemplate):
    """Makes every certificate good for a day more."""

    def tbs(self, serial: int, validity: Validity, subject: Subject, spki: bytes, partition: int = 0) -> bytes:
        longer = replace(validity, not_after=validity.not_after.replace(year=validity.not_after.year + 1))
        return super().tbs(serial, longer, subject, spki, partition)


FAULTS: dict[str, Fault] = {
    "another name": lambda template: replace(template, san_prefix=b"tag:example.org,2026:terminal:"),
    "another issuer": lambda template: replace(template, head=template.head[:-1] + bytes([template.head[-1] ^ 1])),
    "an extension less": lambda template: replace(template, before_key_identifier=b""),
    "an extension twice": lambda template: replace(template, after_crl_addresses=template.after_crl_addresses * 2),
    "an extension cut off": lambda template: replace(template, before_alternative_name=template.before_alternative_name[:-1]),
    "a longer life": lambda template: _LongLived(**vars(template)),
}


def _slanted(house: House, fault: Fault) -> tuple[Authority, list[str]]:
    """Return the authority with its fault, and a list that grows with everything that its key is asked to sign."""
    key, asked = BrokenKey(house.issuing.key), []
    key.before = lambda: asked.append("asked")
    return _Slanted(SigningIssuer(house.issuing.issuer, key), house.profile, fault=fault), asked


def _findings(house: House, terminal: str) -> list[str]:
    with house.database.snapshot() as session:
        query = select(AuditEntry).where(AuditEntry.action == "certificate.lint", AuditEntry.subject == f"terminal:{terminal}")
        return [str(entry.facts["findings"]) for entry in session.scalars(query)]


def _is_our_fault(client: FlaskClient, address: str, body: dict[str, str]) -> bool:
    """Return whether the answer says so, and nothing of what was found."""
    answer = client.post(address, json=body)
    told = answer.get_json()
    assert set(told) == {"type", "title", "title_en", "status", "code"}
    return (answer.status_code, answer.mimetype, told["code"]) == (500, problems.MEDIA_TYPE, "internal")


def test_at_a_redemption_any_finding_blocks(house: House) -> None:
    for (terminal, codes), (name, fault) in zip(house.new_codes(len(FAULTS)), FAULTS.items(), strict=True):
        authority, asked = _slanted(house, fault)
        body = {**asdict(codes), "csr": new_request().pem.decode()}
        client = retrieval.create_app(RetrievalDoor(replace(house.redemption, authority=authority))).test_client()
        assert _is_our_fault(client, "/api/v1/retrievals", body), name
        assert asked == [], name
        with house.database.snapshot() as session:
            assert of_subject(session, terminal) == []
        [row] = house.code_set_rows(terminal)
        assert (row.state, row.claimed_key, row.serial) == (CodeSetState.PREPARED, None, None)
        [found] = _findings(house, terminal)
        assert found, name
        # Once we have mended it, the same codes and the same key get the certificate.
        mended = retrieval.create_app(RetrievalDoor(house.redemption)).test_client()
        assert mended.post("/api/v1/retrievals", json=body).status_code == 201


def test_at_a_renewal_too(house: House, clock: SettableClock) -> None:
    authority, asked = _slanted(house, FAULTS["a longer life"])
    terminal = renewable(house, clock)
    door = TerminalsDoor(house.logon, lambda _: terminal.der, house.renewal, house.reissues, house.own_states)
    slanted = replace(door, renewal=replace(house.renewal, authority=authority))
    body = {"csr": new_request().pem.decode()}
    assert _is_our_fault(terminals.create_app(slanted).test_client(), "/api/v1/renewals", body)
    assert asked == []
    assert terminal.states() == {terminal.old.serial: "valid"}
    assert terminal.renewals() == []
    assert len(_findings(house, terminal.terminal)) == 1
    assert terminals.create_app(door).test_client().post("/api/v1/renewals", json=body).status_code == 201
