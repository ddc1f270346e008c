"""What `init` writes builds with Docker as well, on the assembled bases under their public names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .conftest import EXAMPLES, owned
from .docker import Docker

pytestmark = pytest.mark.integration

_PATIENCE = 60.0  # seconds until an app must answer
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# A builder in which the tools know authorities that only this machine knows; in a build with
# laststage they know them without this.
_AUTHORITIES = """\
FROM {name}
COPY *.crt /own/
RUN for file in /own/private-*.crt; do [ -e "$file" ] || continue; \\
      cp "$file" /usr/local/share/ca-certificates/; \\
      [ ! -x /opt/java/openjdk/bin/keytool ] || /opt/java/openjdk/bin/keytool -importcert \\
        -noprompt -cacerts -storepass changeit -alias "$file" -file "$file"; done; \\
    update-ca-certificates
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
"""
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n(.+?)-----END CERTIFICATE-----", re.DOTALL)


class Bases:
    """The assembled bases that Docker has by now."""

    def __init__(self, laststage, docker: Docker, folder: Path) -> None:
        self._laststage = laststage
        self._docker = docker
        self._folder = folder
        self._loaded: set[str] = set()
        bundle = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
        self._context = folder / "context"
        self._context.mkdir()
        shutil.copyfile(bundle, self._context / "bundle.crt")
        public = {
            body
            for path in Path("/usr/share/ca-certificates").rglob("*.crt")
            for body in _CERTIFICATE.findall(path.read_text())
        }
        for number, one in enumerate(_CERTIFICATE.finditer(Path(bundle).read_text())):
            if one[1] not in public:
                (self._context / f"private-{number}.crt").write_text(f"{one[0]}\n")

    def provide(self, dockerfile: str) -> None:
        """Load the bases that *dockerfile* names: builders know this machine's authorities."""
        stages = {"scratch"}
        for words in (line.split() for line in dockerfile.splitlines()):
            if words[:1] != ["FROM"]:
                continue
            if words[1] not in stages and words[1] not in self._loaded:
                self._load(words[1])
            stages.update(words[3:4])

    def _load(self, name: str) -> None:
        file = self._folder / "Dockerfile.base"
        archive = self._folder / "base.tar"
        file.write_text(f"FROM {name}\n")
        self._laststage("build", "--bases", "assemble", "-f", file, "-t", name, self._context)
        self._laststage("save", name, "-o", archive)
        self._docker("load", "-i", archive)
        archive.unlink()
        if "/" not in name:
            file.write_text(_AUTHORITIES.format(name=name))
            self._docker("build", "--network=host", "-t", name, "-f", file, self._context)
        self._loaded.add(name)


@pytest.fixture(scope="module")
def bases(laststage, docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    folder = tmp_path_factory.mktemp("bases")
    found = Bases(laststage, docker, folder)
    owned(folder, laststage.home)
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_docker_builds_what_init_writes(
    laststage, docker: Docker, bases: Bases, tmp_path: Path, name: str
) -> None:
    app = Path(shutil.copytree(EXAMPLES / name, tmp_path / "app"))
    owned(app, laststage.home)
    report = laststage.build("-t", f"example-{name}", app, timeout=900)
    (app / "Dockerfile").write_text(report["dockerfile"])
    laststage("init", "--force", app)
    # the plan as it was amended after a look at the image
    (app / "Dockerfile").write_text(report["dockerfile"])
    bases.provide(report["dockerfile"])

    docker("build", "--network=host", "--progress=plain", "-t", f"docker-{name}", app)

    ours = laststage.image(f"example-{name}:latest").config["config"]
    theirs = json.loads(docker("inspect", f"docker-{name}"))[0]["Config"]
    for key in ("User", "Entrypoint", "Cmd", "WorkingDir", "ExposedPorts"):
        assert (theirs.get(key) or None) == (ours.get(key) or None), key
    if ports := ours.get("ExposedPorts"):
        assert _answer(docker, name, int(next(iter(ports)).partition("/")[0])) < 500


def _answer(docker: Docker, name: str, port: int) -> int:
    """Return the HTTP status with which the image answers, run as it is meant to be."""
    line = docker.line(
        "run", "--rm", "--name", name, "--network=host", "--read-only", "--tmpfs", "/tmp",
        "-e", "SECRET_KEY=of-this-test",  # what an app must not do without
        f"docker-{name}",
    )  # fmt: skip
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            assert process.poll() is None, f"{name} ended: {process.communicate()[0]}"
            try:
                with _OPENER.open(f"http://127.0.0.1:{port}/", timeout=5) as response:
                    return int(response.status)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"{name} does not answer on port {port}")
    finally:
        docker("rm", "-f", name, expect=None)
        process.communicate(timeout=20)
