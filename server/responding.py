"""The OCSP responder of a process: every issuer whose delegation it has the key for, looked for anew every few seconds."""

import threading
from collections.abc import Sequence

from ca.ocsp import Responder
from ca.ocsp_delegations import delegations
from ca.ocsp_responses import Delegate
from kernel.clock import Clock
from kernel.database import Database
from server import logs
from server.custody import Custody
from server.settings import Settings
from server.trouble import Trouble

LOOK_EACH = 15.0  # seconds
# A revocation is to be told to every request that begins 5 ms after its commit; the rest is for the reading itself.
FRESH_FOR = 0.003
_log = logs.logger("server.responding")


def responder_of(settings: Settings, database: Database, clock: Clock) -> Responder:
    """Return the responder; raises Trouble when it could answer for nobody."""
    delegates = delegates_of(settings, database, clock)
    if not delegates:
        raise Trouble("there is no OCSP responder's certificate in force whose key is here: run `tegata init`")
    return Responder(database, delegates, fresh_for=FRESH_FOR, cert_hash=settings.ocsp_cert_hash, keep=settings.ocsp_kept_answers)


def delegates_of(
    settings: Settings, database: Database, clock: Clock, known: Sequence[Delegate] = ()
) -> list[Delegate]:  # fmt: skip
    """Return the delegates of all issuers; `known` ones are not opened again. One without its key is told and left out."""
    custody = Custody(settings)
    open_already = {delegate.certificate: delegate for delegate in known}
    with database.snapshot() as session:
        found = delegations(session, clock.now())
    delegates = []
    for delegation in found:
        try:
            delegates.append(
                open_already.get(delegation.certificate)
                or Delegate(
                    delegation.issuer,
                    delegation.certificate,
                    custody.expected(delegation.key_name, delegation.certificate.public_key()),
                )
            )
        except (Trouble, ValueError) as error:
            _log.error("responder.unusable", issuer=delegation.issuer.name, reason=str(error))
    return delegates


def keep_renewed(responder: Responder, settings: Settings, database: Database, clock: Clock) -> None:
    """Let a responder take over issuers that come and certificates that are renewed, as long as the process lives."""

    def look() -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_EACH):
            try:
                delegates = delegates_of(settings, database, clock, responder.delegates)
            except Exception as error:  # noqa: BLE001 (whatever it is, those that were there go on)
                _log.warning("responder.not-looked", reason=f"{type(error).__name__}: {error}")
                continue
            if delegates and tuple(delegates) != responder.delegates:
                responder.take_over(delegates)

    threading.Thread(target=look, name="responder", daemon=True).start()
