"""A real nginx with a prefix of its own, on the configurations of deploy/nginx with their example names filled in."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.required import missing
from tests.support.schema import ROOT

EXAMPLES = ROOT / "deploy" / "nginx"
# Seconds that starting and stopping may take on a busy machine.
PATIENCE = 60
_MAIN = """
{user}
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {includes}
}}
"""


@dataclass(frozen=True)
class Site:
    """One of the examples, the name of its copy, and what is replaced in it, all of which must be there."""

    example: str
    file: str
    replaced: Mapping[str, str]


@dataclass(frozen=True)
class Nginx:
    """A folder that is nginx's prefix, and the command that runs it there."""

    folder: Path

    @property
    def command(self) -> list[str]:
        """Nginx on this configuration; `-s reload` may follow."""
        return ["nginx", "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")]

    def configure(self, sites: Sequence[Site], shared: Mapping[str, str]) -> None:
        """Write the examples' copies and the file that includes them; `shared` is replaced in all of them."""
        for name in ("tls", "sessions", "ask"):
            (self.folder / f"{name}.conf").write_text(_filled(f"{name}.conf", shared), encoding="utf-8")
        for site in sites:
            text = _filled(site.example, shared)
            for old, new in site.replaced.items():
                assert old in text, (site.example, old)
                text = text.replace(old, new)
            (self.folder / site.file).write_text(text, encoding="utf-8")
        includes = "".join(f"include {self.folder}/{site.file};\n    " for site in sites)
        user = "user root;" if os.geteuid() == 0 else ""
        main = _MAIN.format(user=user, folder=self.folder, includes=includes)
        (self.folder / "nginx.conf").write_text(main, encoding="utf-8")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it in the foreground until the block ends."""
        if shutil.which("nginx") is None:
            missing("nginx")
        process = subprocess.Popen(self.command, stderr=subprocess.PIPE)
        try:
            deadline = time.monotonic() + PATIENCE
            while not (self.folder / "nginx.pid").exists() or not (self.folder / "nginx.pid").read_text():
                if process.poll() is not None or time.monotonic() > deadline:
                    said = process.stderr.read().decode() if process.stderr else ""
                    raise AssertionError(said + (self.folder / "error.log").read_text(encoding="utf-8"))
                time.sleep(0.02)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def _filled(example: str, replaced: Mapping[str, str]) -> str:
    text = (EXAMPLES / example).read_text(encoding="utf-8")
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text
