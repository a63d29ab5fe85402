"""What of the CA the processes need: an issuer with its key, the terminals' profile, the addresses in certificates."""

from collections.abc import Callable
from datetime import datetime

from ca import profile_file
from ca.authority import Authority, Succession
from ca.issuers import Issuer, SigningIssuer
from ca.profiles import Addresses, TerminalProfile
from ca.published_keys import FILE_NAME, PublishedKeys
from ca.terms import Term, succession, whose_turn
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Unavailable
from server import logs
from server.custody import Custody, keys_check
from server.settings import Settings
from server.trouble import Trouble

_log = logs.logger("server.issuing")


def with_key(settings: Settings, issuer: Issuer) -> SigningIssuer:
    """Return an issuer with its key; raises Trouble when that is not here, and not when its token is away for a while."""
    return SigningIssuer(issuer, Custody(settings).expected(issuer.key_name, issuer.public_key))


def authority_of(settings: Settings, database: Database, clock: Clock) -> Succession:
    """Return what issues terminal certificates; the one whose turn it is is opened at once, so that faults are told at start."""
    profile, published = profile_of(settings), published_keys_of(settings)

    def opened(issuer: Issuer) -> Authority:
        return Authority(with_key(settings, issuer), profile, published)

    def in_use(issuer: Issuer) -> Authority:
        try:
            return opened(issuer)
        except (Trouble, ValueError) as error:
            # Whoever comes for a certificate has done nothing wrong, and shall come again.
            _log.error("issuer.unusable", issuer=issuer.name, reason=str(error))
            raise Unavailable(f"issuer {issuer.name} can not be used") from error

    with database.snapshot() as session:
        order = succession(session)
    if not order:
        raise Trouble("there is no issuing CA: the ceremony was not held; run `tegata init`")
    first = whose_turn(order, clock.now())
    if first is not None:
        opened(first)
    else:
        # A door that is open goes on without, so one that opens does: what needs an issuer is refused for a while.
        _log.error("issuer.none-in-force", reason=why_none(order, clock.now()))
    return Succession(database, in_use)


def why_none(order: list[Term], now: datetime) -> str:
    """Say why none of the issuing CAs issues, and what is to be done."""
    living = [term for term in order if not term.is_revoked and now < term.issuer.certificate.not_valid_after_utc]
    if living:
        return f"no issuing CA's turn has begun: that of {living[0].issuer.name} begins at {living[0].begin.isoformat()}"
    return "every issuing CA was revoked or has ended: add the next one to the ceremony's file and hold it (`tegata ceremony`)"


def issuing_check(authority: Succession, clock: Clock) -> Callable[[], None]:
    """Return what raises Unavailable or KeyTroubleError unless a certificate could be issued now: what `/readyz` asks."""
    return keys_check(lambda: [authority.at(clock.now()).signer.key])


def published_keys_of(settings: Settings) -> PublishedKeys:
    """Return the keys that the world knows: those that come with us, and the home's blocklist.dat where it is there."""
    try:
        return PublishedKeys(settings.home / FILE_NAME)
    except ValueError as error:
        raise Trouble(f"{error}: fetch it anew with `badkeys --update-bl`, or take it away") from error


def profile_of(settings: Settings) -> TerminalProfile:
    """Return the terminals' profile: of profiles.yaml in the home where it is there, else the one that comes with us."""
    own = settings.home / profile_file.PACKAGED.name
    defaults = profile_file.Defaults(settings.policy_oid, settings.san_tag, settings.generation_end)
    try:
        return profile_file.load(own if own.exists() else profile_file.PACKAGED, defaults, addresses_of(settings))
    except profile_file.ProfileFault as fault:
        raise Trouble(str(fault)) from fault


def addresses_of(settings: Settings) -> Addresses:
    """Return the addresses that go into certificates."""
    return Addresses(settings.status.url)
