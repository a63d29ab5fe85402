"""The jobs: which there are and what they may use: the issuing key (for CRLs), the checkpoint key, the mail server."""

import gc
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from ca.renewal import Renewals
from enrollment import cmp_transactions, diagnosis_cases, id_notices, logon_refusals, reissue, renewal
from enrollment.blocking import KeyBlocking
from enrollment.confirmations import Confirmations
from enrollment.deadlines.deadlines import Deadlines
from enrollment.departures import Departures
from enrollment.gateway_list import GatewayList
from enrollment.generations import records
from enrollment.generations.closing import Closing
from enrollment.generations.states import GenerationState
from enrollment.generations.waves import Waves
from enrollment.receipts import Receipts
from enrollment.reissue import ReissuePreparation
from kernel import outbox, throttle
from kernel.clock import Clock
from kernel.database import Database
from registry import applications
from registry.letters import Letters
from server import expiries, list_checking
from server.attaching import attachments_of
from server.billing import closing_of
from server.bounces import Bounces
from server.checking import nightly
from server.corresponding import letters_of
from server.custody import Custody, gateway_signer_of
from server.delivering import carrier_of
from server.documenting import approval_notices_of
from server.issuing import addresses_of, profile_of, with_key
from server.jobs import Job, Schedule, stop_signals
from server.pages import limits_of
from server.preparing import preparation_of
from server.process import Starting
from server.publishing import CrlPublishers
from server.return_address import ReturnAddress
from server.sealing import sealing
from server.settings import Settings
from server.wiring import clock_of, database_of, home_of
from webui import sessions
from webui.accounts import PasswordLinks, UserLetters, links
from webui.factors import log_ins, passkey_book


def run(settings: Settings, starting: Starting) -> None:
    """Run all jobs until SIGTERM."""
    database = database_of(settings)
    schedule = Schedule(database, clock_of(settings), all_jobs(settings, database))
    # What is here by now stays: the collector shall not walk through it while a job works on many rows.
    gc.collect()
    gc.freeze()
    with stop_signals() as stop:
        starting.ready()
        schedule.run(stop)
    database.dispose()


def all_jobs(settings: Settings, database: Database) -> list[Job]:
    """Return every job, in the order in which `tegata jobs list` shows them."""
    clock = clock_of(settings)
    return [
        Job("mail", timedelta(seconds=2), _mail(settings, database), "delivers mails that are due"),
        *_bounces(settings, database),
        Job("audit-seal", timedelta(seconds=15), sealing(settings, database), "seals the audit log and signs its head"),
        *_lists(settings, database, clock),
        Job("renewal", timedelta(hours=1), _renewals(settings, database), "renews the certificates of our own services in time"),
        Job("expiry", timedelta(hours=1), expiries.watching(database, clock), "tells in time what only people can renew"),
        Job(
            "blocked-keys",
            timedelta(minutes=10),
            KeyBlocking(database, clock, letters_of(settings)).finish,
            "revokes what still stands on keys that were blocked, after an interruption",
        ),
        Job("crl-check", timedelta(minutes=5), list_checking.watching(settings, database), "fetches the lists as the world does"),
        Job(
            "certificate-check",
            timedelta(minutes=5),
            nightly(settings, database),
            "reads all certificates again each night and tells what is not as it must be",
        ),
        Job("receipts", timedelta(seconds=5), _receipts(settings, database), "tells of retrievals, with the proof from the log"),
        Job(
            "notices",
            timedelta(seconds=10),
            approval_notices_of(settings, database).make_due,
            "makes and signs the notice of each approval, once",
        ),
        *_deadlines(database, clock, letters_of(settings)),
        *_calendar(settings, database),
        *_same_day_reissues(settings, database),
        *_generations(settings, database),
        Job(
            "cmp-settling",
            timedelta(minutes=1),
            _cmp(database, clock, letters_of(settings)),
            "deletes sealed copies that CMP's terminals confirmed",
        ),
        *_accounts(settings, database),
        Job(
            "billing",
            timedelta(minutes=10),
            lambda now: closing_of(settings, database).close_due(now),
            "closes months that are over into bills",
        ),
        *_purges(settings, database, clock),
    ]


def _lists(settings: Settings, database: Database, clock: Clock) -> list[Job]:
    return [
        Job(
            "crl",
            timedelta(seconds=1),
            _crl(settings, database, clock),
            "publishes each issuing CA's CRL when something changed, and daily",
        ),
        Job(
            "gateway-list",
            timedelta(seconds=1),
            _gateway_list(settings, database),
            "publishes the gateways' list of good certificates when it changed, and each minute",
        ),
    ]


def _purges(settings: Settings, database: Database, clock: Clock) -> list[Job]:
    return [
        Job("diagnosis-purge", timedelta(hours=1), partial(_forget_diagnoses, database), "forgets diagnoses of 90 days ago"),
        Job(
            "attachment-purge",
            timedelta(minutes=10),
            attachments_of(settings, database, clock).purge,
            "deletes files of drafts that were discarded",
        ),
        Job("throttle-purge", timedelta(hours=1), _throttles(database), "forgets old failures"),
    ]


def _accounts(settings: Settings, database: Database) -> list[Job]:
    password_links = PasswordLinks(database, clock_of(settings), UserLetters(letters_of(settings)))
    return [
        Job("password-reset", timedelta(seconds=2), password_links.answer_due, "mails links to those who forgot their password"),
        Job("link-purge", timedelta(hours=1), lambda now: links.purge(database, now=now), "forgets links of mails that are over"),
        Job(
            "session-purge",
            timedelta(minutes=10),
            _sessions(settings, database),
            "deletes log-ins that are over, and the history of log-ins after 90 days",
        ),
    ]


def _deadlines(database: Database, clock: Clock, letters: Letters) -> list[Job]:
    departures = Departures(database, clock, letters)
    return [
        Job("abolition", timedelta(seconds=30), departures.abolish_due, "abolishes terminals whose day has come"),
        Job("settings-deadline", timedelta(minutes=1), departures.void_overdue, "voids applications whose settings are late"),
        Job(
            "completion",
            timedelta(seconds=30),
            lambda now: applications.complete_due(database, now=now),
            "carries out what was applied for on its start date",
        ),
        Job(
            "code-expiry",
            timedelta(minutes=1),
            lambda now: id_notices.expire_due(database, now),
            "ends codes that nobody redeemed in time",
        ),
        Job(
            "renewal-settlement",
            timedelta(minutes=5),
            lambda now: renewal.settle_due(database, now),
            "revokes certificates that were renewed a week ago",
        ),
        Job(
            "renewal-lapse",
            timedelta(minutes=5),
            lambda now: renewal.lapse_due(database, now),
            "ends renewals that no terminal confirmed within a day",
        ),
        Job(
            "reissue-end",
            timedelta(minutes=5),
            lambda now: reissue.end_overdue(database, now, letters),
            "revokes old certificates whose reissue nobody retrieved within two months",
        ),
        Job(
            "code-forgetting",
            timedelta(minutes=1),
            lambda now: id_notices.forget_redeemed(database, now),
            "deletes the sealed copies of codes a day after they were redeemed",
        ),
    ]


def _calendar(settings: Settings, database: Database) -> list[Job]:
    days = (settings.reminder_days, settings.suspension_warning_days)
    deadlines = Deadlines(database, letters_of(settings), *days, fixed_end=profile_of(settings).fixed_end)
    return [
        Job("reminders", timedelta(minutes=10), deadlines.tell_due, "reminds of renewals and warns of suspensions, once each"),
        Job("suspension", timedelta(minutes=10), deadlines.suspend_due, "suspends terminals whose two months are over"),
    ]


def _generations(settings: Settings, database: Database) -> list[Job]:
    """Return the jobs of generation changes.

    The one that makes codes needs the keyed-hash key and the public half of the sealing key; they are opened while a change runs.
    """
    closing = Closing(database, clock_of(settings), letters_of(settings))

    def prepare(now: datetime) -> int:
        with database.snapshot() as session:
            is_running = bool(records.in_state(session, GenerationState.RUNNING))
        return Waves(preparation_of(settings, database)).prepare_due(now) if is_running else 0

    return [
        Job("generation", timedelta(seconds=15), prepare, "prepares the codes of a change of system generation"),
        Job("generation-progress", timedelta(seconds=30), closing.settle_due, "notes which terminals retrieved anew"),
        Job("generation-review", timedelta(hours=1), closing.review_due, "notes which terminals left a generation change"),
        Job("generation-reminder", timedelta(minutes=10), closing.remind_due, "reminds offices of a generation's last day"),
        Job("generation-end", timedelta(minutes=1), closing.end_due, "ends what is left of a generation after its last day"),
        Job(
            "generation-suspension",
            timedelta(minutes=5),
            closing.suspend_due,
            "suspends terminals that never retrieved anew",
        ),
    ]


def _same_day_reissues(settings: Settings, database: Database) -> list[Job]:
    """Return the job that prepares codes where the operator lets it: it needs the public half of the sealing key."""
    if not settings.same_day_reissue:
        return []
    preparation = ReissuePreparation(preparation_of(settings, database))
    return [Job("reissue", timedelta(seconds=5), preparation.prepare_due, "prepares the codes of accepted reissues")]


def _mail(settings: Settings, database: Database) -> Callable[[datetime], int]:
    carrier = carrier_of(settings, database, clock_of(settings))
    return lambda now: outbox.deliver(database, carrier, now=now)


def _bounces(settings: Settings, database: Database) -> list[Job]:
    if settings.mail_bounces is None or settings.mail_bounce_address is None:
        return []
    bounces = Bounces(database, settings.mail_bounces, ReturnAddress(settings.mail_bounce_address))
    return [Job("bounces", timedelta(seconds=10), bounces.read_due, "reads what mail servers write about mails that came back")]


def _crl(settings: Settings, database: Database, clock: Clock) -> Callable[[datetime], int]:
    publishers = CrlPublishers(settings, database)
    publishers.all(clock.now())  # a key that is missing is told at start
    return publishers.publish_due


def _forget_diagnoses(database: Database, now: datetime) -> int:
    with database.transaction() as session:
        return diagnosis_cases.purge(session, now) + logon_refusals.purge(session, now)


def _receipts(settings: Settings, database: Database) -> Callable[[datetime], int]:
    check = Custody(settings).checkpoint().public_key().verify
    return Receipts(database, check, letters_of(settings)).settle_due


def _gateway_list(settings: Settings, database: Database) -> Callable[[datetime], int]:
    published = GatewayList(database, gateway_signer_of(settings), home_of(settings).gateway_list)
    return lambda now: int(published.publish_if_due(now) is not None)


def _renewals(settings: Settings, database: Database) -> Callable[[datetime], int]:
    return Renewals(database, addresses_of(settings), partial(with_key, settings)).renew_due


def _cmp(database: Database, clock: Clock, letters: Letters) -> Callable[[datetime], int]:
    return lambda now: cmp_transactions.settle(database, Confirmations(database, clock, letters), now)


def _throttles(database: Database) -> Callable[[datetime], int]:
    def purge(now: datetime) -> int:
        with database.transaction() as session:
            return throttle.purge(session, now)

    return purge


def _sessions(settings: Settings, database: Database) -> Callable[[datetime], int]:
    def purge(now: datetime) -> int:
        ended = sessions.purge(database, now=now, limits=limits_of(settings))
        with database.transaction() as session:
            return ended + passkey_book.purge(session, now) + log_ins.purge(session, now)

    return purge
