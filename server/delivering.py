"""How mail leaves, as the settings have it: with its one-time links, signed. Only for the process that delivers."""

from kernel.clock import Clock
from kernel.database import Database
from registry.letters import CENTER_JA
from server.home import Home
from server.mail import Maildir, Sender, Smtp, Transport, smtp_server
from server.mail_signing import MailSigning
from server.return_address import ReturnAddress
from server.settings import Settings
from webui.accounts import Door
from webui.accounts.links import Carrier


def carrier_of(settings: Settings, database: Database, clock: Clock) -> Carrier:
    """Return what gives mails their one-time links and lets them leave."""
    urls = {Door.PORTAL: settings.portal.url, Door.CENTER: settings.center.url}
    return Carrier(database, clock, urls, transport_of(settings, MailSigning(settings, database, clock)))


def transport_of(settings: Settings, sign: MailSigning) -> Transport:
    """Return how mail leaves: signed, by the SMTP server that is set, else into the home's maildir."""
    back_to = ReturnAddress(settings.mail_bounce_address) if settings.mail_bounce_address else None
    sender = Sender(settings.mail_from, settings.service_name or CENTER_JA, sign, back_to)
    if settings.smtp_url is None:
        return Maildir(Home(settings.home).mail, sender)
    server = smtp_server(settings.smtp_url, password=None, ca_file=settings.smtp_ca_file)
    if server.user is not None:
        server = smtp_server(settings.smtp_url, password=settings.secret("smtp_password"), ca_file=settings.smtp_ca_file)
    return Smtp(server, sender)
