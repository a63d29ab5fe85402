"""The OCSP responder of a process: every issuer whose delegation it has the key for, looked for anew every few seconds."""

import threading
import time
from collections.abc import Sequence

from ca.ocsp import Responder
from ca.ocsp_ahead import SignerAhead
from ca.ocsp_delegations import delegations
from ca.ocsp_responses import Delegate
from ca.ocsp_states import StatusReader
from kernel.clock import Clock
from kernel.database import Database
from server import logs
from server.custody import Custody
from server.settings import Settings
from server.trouble import Trouble

LOOK_EACH = 15.0  # seconds
# A revocation is to be told to every request that begins 5 ms after its commit; the rest is for the reading itself.
FRESH_FOR = 0.003
# How often what changed is looked for, so as to sign it ahead; and how long, after trouble, nothing is.
LOOK_AHEAD_EACH, PAUSE = 0.1, 5.0
# After each answer that was signed ahead, the processor and the key are left to others for so many times as long as it took.
_REST = 3
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


def keep_signing_ahead(responder: Responder, reader: StatusReader, clock: Clock) -> None:
    """Sign answers ahead, as long as the process lives, in a thread of its own: a key may be slow, or far away."""
    signer = SignerAhead(responder, reader, look_each=LOOK_AHEAD_EACH)

    def work() -> None:
        pause, rest = threading.Event(), LOOK_AHEAD_EACH
        while not pause.wait(rest):
            begin = time.monotonic()
            try:
                rest = _REST * (time.monotonic() - begin) if signer.step(clock.now()) else LOOK_AHEAD_EACH
            except Exception as error:  # noqa: BLE001 (whatever it is, answers are signed when somebody asks)
                _log.warning("responder.not-ahead", reason=f"{type(error).__name__}: {error}")
                rest = PAUSE

    threading.Thread(target=work, name="ahead", daemon=True).start()
