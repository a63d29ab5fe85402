"""What is installed on terminals to renew by itself: judged by systemd, and by the schema of Windows' task scheduler."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner

from server.commands.terminal import command
from tests.support.required import missing
from tests.support.schema import ROOT

UNITS, TASK = ROOT / "deploy" / "systemd", ROOT / "deploy" / "windows" / "tegata-renew.xml"
NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
# MS-TSCH 2.5: the children of each element; a tuple is a sequence, a set comes in any order.
CHILDREN: dict[str, tuple[str, ...] | set[str]] = {
    "Task": {"RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"},
    "RegistrationInfo": {"URI", "SecurityDescriptor", "Source", "Date", "Author", "Version", "Description", "Documentation"},
    "Triggers": {"CalendarTrigger"},
    "CalendarTrigger": (
        "Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit", "RandomDelay", "ScheduleByDay",
    ),
    "ScheduleByDay": {"DaysInterval"},
    "Principals": {"Principal"},
    "Principal": {"UserId", "LogonType", "GroupId", "DisplayName", "RunLevel"},
    "Settings": {
        "AllowStartOnDemand", "RestartOnFailure", "MultipleInstancesPolicy", "DisallowStartIfOnBatteries",
        "StopIfGoingOnBatteries", "AllowHardTerminate", "StartWhenAvailable", "RunOnlyIfNetworkAvailable", "WakeToRun",
        "Enabled", "Hidden", "DeleteExpiredTaskAfter", "ExecutionTimeLimit", "Priority", "RunOnlyIfIdle",
    },
    "Actions": {"Exec"},
    "Exec": {"Command", "Arguments", "WorkingDirectory"},
}  # fmt: skip
BOOLEAN, DURATION, TEXT = "true|false", r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?", ".+"
VALUES = {
    "Enabled": BOOLEAN, "DisallowStartIfOnBatteries": BOOLEAN, "StopIfGoingOnBatteries": BOOLEAN, "StartWhenAvailable": BOOLEAN,
    "RunOnlyIfNetworkAvailable": BOOLEAN, "StartBoundary": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "RandomDelay": DURATION,
    "ExecutionTimeLimit": DURATION, "DaysInterval": r"\d+", "RunLevel": "LeastPrivilege|HighestAvailable",
    "MultipleInstancesPolicy": "Parallel|Queue|IgnoreNew|StopExisting", "UserId": r"S-1-5-19", "Author": TEXT,
    "Description": TEXT, "Command": TEXT, "Arguments": TEXT,
}  # fmt: skip


@pytest.fixture
def task() -> ET.Element:
    return ET.fromstring(TASK.read_text(encoding="ascii"))  # noqa: S314 (a file of ours)


def _name(element: ET.Element) -> str:
    return element.tag.removeprefix(NAMESPACE)


def _faults(element: ET.Element) -> Iterator[str]:
    name, children = _name(element), [_name(child) for child in element]
    allowed = CHILDREN.get(name)
    if allowed is None:
        if re.fullmatch(VALUES[name], element.text or "") is None:
            yield f"{name}: {element.text}"
        return
    if not set(children) <= set(allowed) or len(set(children)) < len(children):
        yield f"{name}: {children}"
    if isinstance(allowed, tuple) and children != sorted(children, key=allowed.index):
        yield f"{name}: out of order"
    for child in element:
        yield from _faults(child)


def _usable(arguments: list[str]) -> None:
    """Require that the command line is one: everything but the folder is accepted."""
    assert arguments[:2] == ["terminal", "renew"]
    told = CliRunner().invoke(command, [*arguments[1:], "--lang", "en"])
    assert told.exit_code == 1, told.output
    assert not isinstance(told.exception, click.UsageError)
    assert "trust-unreadable" in str(told.exception)


def test_the_task_is_one_of_windows_schema(task: ET.Element) -> None:
    assert (task.tag, task.get("version")) == (f"{NAMESPACE}Task", "1.2")
    assert list(_faults(task)) == []


def test_the_checker_finds_a_planted_fault(task: ET.Element) -> None:
    trigger = task.find(f".//{NAMESPACE}CalendarTrigger")
    assert trigger is not None
    trigger.insert(0, trigger[-1])
    delay = task.find(f".//{NAMESPACE}RandomDelay")
    assert delay is not None
    delay.text = "1 hour"
    assert len(list(_faults(task))) == 3


def test_the_task_refers_to_its_principal_and_calls_the_client(task: ET.Element) -> None:
    principal, actions = task.find(f".//{NAMESPACE}Principal"), task.find(f"{NAMESPACE}Actions")
    assert principal is not None
    assert actions is not None
    assert principal.get("id") == actions.get("Context")
    line = task.findtext(f".//{NAMESPACE}Arguments") or ""
    assert '\\"' not in line, "Windows would read it as a quote"
    _usable(shlex.split(line.replace("\\", "/")))


def test_the_service_calls_the_client() -> None:
    unit = (UNITS / "tegata-renew@.service").read_text(encoding="ascii")
    values = dict(re.findall(r"^(\w+)=(.*)$", (UNITS / "terminal.conf.example").read_text(encoding="ascii"), re.MULTILINE))
    [line] = re.findall(r"^ExecStart=\S+ (.*)$", unit, re.MULTILINE)
    _usable(shlex.split(re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], line)))
    assert not re.search("passphrase|proxy", line)


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    program = Path(sys.executable).with_name("tegata")
    for kind in ("service", "timer"):
        text = (UNITS / f"tegata-renew@.{kind}").read_text(encoding="ascii")
        (tmp_path / f"tegata-renew@.{kind}").write_text(text.replace("/opt/tegata/bin/tegata", str(program)), encoding="ascii")
        (tmp_path / f"tegata-renew@99999W.{kind}").symlink_to(f"tegata-renew@.{kind}")
    command_line = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "tegata-renew@99999W.timer")]
    said = subprocess.run(command_line, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
