"""`tegata crl`: publishing by hand."""

import click

from ca.crl import ClockBehindError
from server.apps.jobs import crl_publisher_of
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home


@click.group()
def command() -> None:
    """Look after the certificate revocation lists."""


@command.command("publish")
def publish() -> None:
    """Sign and publish the issuing CA's next CRL now, whether it is due or not."""
    chosen = finished_home()
    publisher = crl_publisher_of(chosen, database_of(chosen))
    try:
        number = publisher.publish(clock_of(chosen).now())
    except ClockBehindError as error:
        raise Trouble(f"the clock is behind the newest CRL ({error}): set it right, or wait until it has caught up") from error
    click.echo(f"CRL {number} stands in {publisher.file}")
