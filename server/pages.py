"""What both doors with pages are made of."""

from dataclasses import replace
from datetime import timedelta

from kernel.clock import Clock
from kernel.database import Database
from server.corresponding import letters_of
from server.custody import Custody
from server.settings import Settings
from webui.accounts import Accounts
from webui.doorway import DoorParts, DoorSettings
from webui.factors import AccountLetters, Factors, LogIns, Passkeys, RelyingParty
from webui.sessions import Limits


def door_parts(settings: Settings, database: Database, clock: Clock, name: str) -> DoorParts:
    """Return the surroundings of a door's pages."""
    named = {"service_name": settings.service_name, "package_name": settings.package_name}
    chosen = replace(
        DoorSettings(settings.door(name).url, help_desk=settings.help_desk, package_url=settings.package_url or ""),
        **{setting: words for setting, words in named.items() if words is not None},
    )
    letters = account_letters_of(settings)
    return DoorParts(
        database,
        clock,
        Accounts(database, clock),
        chosen,
        factors=factors_of(settings, database, clock),
        passkeys=Passkeys(database, clock, RelyingParty.of(chosen.public_url, chosen.service_name), letters),
        log_ins=LogIns(database, clock, letters),
        limits=limits_of(settings),
        letters=letters_of(settings),
    )


def factors_of(settings: Settings, database: Database, clock: Clock) -> Factors:
    """Return the use cases of second factors."""
    return Factors(database, clock, Custody(settings).factors(), account_letters_of(settings))


def account_letters_of(settings: Settings) -> AccountLetters:
    """Return what words the mails about log-ins."""
    words = letters_of(settings)
    return AccountLetters(words.service_ja, words.service_en, words.help_desk)


def limits_of(settings: Settings) -> Limits:
    """Return when log-ins end by themselves."""
    return Limits(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
