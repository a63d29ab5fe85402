"""The lists of all issuing CAs that tell status, whose turn to issue may be yet to come or long over."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from math import inf

from ca.crl import CrlPublisher
from ca.issuers import Issuer
from ca.profiles import TerminalProfile
from ca.terms import Terms, telling_status
from kernel.database import Database
from server.issuing import addresses_of, profile_of, with_key
from server.settings import Settings
from server.wiring import home_of

LOOK_EACH = 15.0  # seconds


@dataclass
class CrlPublishers:
    """One publisher for each issuing CA; the roots' lists need the roots' keys and come from the ceremony."""

    settings: Settings
    database: Database
    _known: dict[str, CrlPublisher] = field(default_factory=dict, repr=False)
    _telling: list[tuple[Issuer, Terms]] = field(default_factory=list, repr=False)
    _looked_at: float = -inf

    def all(self, now: datetime) -> list[CrlPublisher]:
        """Return the publishers; raises Trouble when one has no key here."""
        return [self._publisher(issuer, agreed) for issuer, agreed in self._current(now)]

    def publish_due(self, now: datetime) -> int:
        """Publish every list that is due and return how many issuers had one. A job: one's trouble stops no other one."""
        published: int = 0
        troubles: list[Exception] = []
        for issuer, agreed in self._current(now):
            try:
                published += self._publisher(issuer, agreed).publish_if_due(now) is not None
            except Exception as error:  # noqa: BLE001 (raised below, after the others had their turn)
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return published

    @cached_property
    def _profile(self) -> TerminalProfile:
        return profile_of(self.settings)

    def _current(self, now: datetime) -> list[tuple[Issuer, Terms]]:
        if time.monotonic() - self._looked_at > LOOK_EACH:
            with self.database.snapshot() as session:
                self._telling = telling_status(session, now)
            self._looked_at = time.monotonic()
        return self._telling

    def _publisher(self, issuer: Issuer, agreed: Terms) -> CrlPublisher:
        known = self._known.get(issuer.name)
        if known is None or (known.period, known.lifetime) != (agreed.crl_period, agreed.crl_lifetime):
            known = CrlPublisher(
                self.database,
                with_key(self.settings, issuer),
                home_of(self.settings).published,
                period=agreed.crl_period,
                lifetime=agreed.crl_lifetime,
                addresses=addresses_of(self.settings),
                partition_size=self._profile.partition_size,
                delta=self._profile.delta,
            )
            self._known[issuer.name] = known
        return known
