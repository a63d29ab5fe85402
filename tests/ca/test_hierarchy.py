from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from ca import ceremony, hierarchy
from ca.plan import ISSUING_CRL, ROOT_CRL, AuthorityPlan, Plan, usual_plan, with_scep
from ca.profiles import Addresses
from kernel.database import Database
from keys.custody import SoftwareKeys


def _plan(folder: Path) -> Plan:
    return usual_plan("Trial Network", Addresses("http://status.example.jp"), {}, folder / "published")


def _grown(plan: Plan, begin: datetime) -> Plan:
    second = AuthorityPlan("root-2", "Trial Root 2", "p384", 25, None, *ROOT_CRL, replaces="root")
    issuing = AuthorityPlan("issuing-2", "Trial Issuing 2", "p256", 10, "root-2", *ISSUING_CRL, issues_from=begin)
    return replace(plan, authorities=(*plan.authorities, second, issuing))


def _hold(database: Database, folder: Path, plan: Plan, now: datetime) -> None:
    ceremony.Ceremony(database, SoftwareKeys(folder / "keys", b"trial"), plan).hold(now)


def test_the_issuing_ca_comes_first_and_its_root_last(database: Database, tmp_path: Path, now: datetime) -> None:
    _hold(database, tmp_path, _plan(tmp_path), now)
    with database.snapshot() as session:
        assert [one.name for one in hierarchy.authorities(session, now)] == ["issuing-1", "root"]
        assert hierarchy.successor(session, now) is None
        assert hierarchy.links(session, now) == []


def test_of_two_generations_the_one_whose_turn_it_is_comes_first(database: Database, tmp_path: Path, now: datetime) -> None:
    begin, ended = now + timedelta(days=30), now + timedelta(days=11 * 365)
    _hold(database, tmp_path, _grown(_plan(tmp_path), begin), now)
    with database.snapshot() as session:
        names = [[one.name for one in hierarchy.authorities(session, at)] for at in (now, begin)]
        assert names == [["issuing-1", "issuing-2", "root", "root-2"], ["issuing-2", "issuing-1", "root", "root-2"]]
        coming = hierarchy.successor(session, now)
        assert coming is not None
        assert coming.name == "issuing-2"
        assert hierarchy.successor(session, begin) is None
        assert {one.name for one in hierarchy.roots(session, now)} == {"root", "root-2"}
        new, old = (one.certificate for one in reversed(hierarchy.roots(session, now)))
        links = {(link.subject, link.issuer) for link in hierarchy.links(session, now)}
        assert links == {(new.subject, old.subject), (old.subject, new.subject)}
        assert not {"issuing-1", "issuing-2"} & {one.name for one in hierarchy.authorities(session, ended)}


def test_with_scep_a_plan_has_one_rsa_service_more(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    *before, added = with_scep(plan).services
    assert tuple(before) == plan.services
    assert (added.name, added.kind, added.algorithm, added.under) == ("scep", "scep", "rsa3072", "issuing-1")
