"""`tegata crl`: publishing by hand."""

import click

from ca.crl import ClockBehindError
from server.publishing import CrlPublishers
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home


@click.group()
def command() -> None:
    """Look after the certificate revocation lists."""


@command.command("publish")
def publish() -> None:
    """Sign and publish each issuing CA's next CRLs now, its partitions' among them, whether they are due or not."""
    chosen = finished_home()
    now = clock_of(chosen).now()
    for publisher in CrlPublishers(chosen, database_of(chosen)).all(now):
        try:
            published = publisher.publish_all(now)
        except ClockBehindError as error:
            what = f"the clock is behind the newest CRL ({error}): set it right, or wait until it has caught up"
            raise Trouble(what) from error
        for file, number in published.items():
            click.echo(f"CRL {number} stands in {file}")
