"""`tegata jobs`: which there are, how they fare, and running one by hand."""

import json

import click

from kernel.clock import SystemClock
from server import logs
from server.apps.jobs import all_jobs
from server.leases import standings
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home


@click.group()
def command() -> None:
    """Show the jobs, or run one now."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_jobs(*, as_json: bool) -> None:
    """Show each job: how often it is asked, who runs it, when it ran last and how that went.

    The retrieval door works off confirmed batches by itself, as it has their keys; they are no jobs here, nor of `jobs run`.
    """
    chosen = finished_home()
    database = database_of(chosen)
    known, now = standings(database), SystemClock().now()
    rows = []
    for job in all_jobs(chosen, database):
        standing = known.get(job.name)
        rows.append(
            {
                "name": job.name,
                "every_seconds": int(job.every.total_seconds()),
                "purpose": job.purpose,
                "holder": standing.holder if standing and standing.expires_at > now else None,
                "ran_at": standing.ran_at.isoformat(timespec="seconds") if standing and standing.ran_at else None,
                "failure": standing.failure if standing else None,
            }
        )
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        state = f"FAILED: {row['failure']}" if row["failure"] else f"ran {row['ran_at']}" if row["ran_at"] else "has not run yet"
        click.echo(f"{row['name']:<22} every {row['every_seconds']:>5} s  {state}  ({row['purpose']})")


@command.command("run")
@click.argument("name")
def run_job(name: str) -> None:
    """Run the job NAME once, now, whoever else may be running it: every job may be repeated."""
    chosen = finished_home()
    logs.configure("jobs", chosen.log_level)
    jobs = {job.name: job for job in all_jobs(chosen, database_of(chosen))}
    if name not in jobs:
        raise Trouble(f"there is no job {name}; there are {', '.join(jobs)}")
    click.echo(f"{name}: {jobs[name].run(clock_of(chosen).now())} done")
