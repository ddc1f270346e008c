"""A server that needs certificates and time zones: its image has them."""

from __future__ import annotations

import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from laststage.testing.server import FileServer

from .serving import Server

pytestmark = pytest.mark.integration

POOL = """\
package main

import (
	"crypto/x509"
	"os"
	"strconv"
)

func main() {
	pool, err := x509.SystemCertPool()
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(strconv.Itoa(len(pool.Subjects())))
}
"""


@pytest.fixture
def server(web, serve) -> Server:
    return serve("web")


def test_it_answers_and_ends_in_order(server: Server) -> None:
    assert server.ask("/")[0] == 200
    assert "Hello" in server.ask("/")[1]
    assert server.ask("/nowhere")[0] == 404
    status, log = server.stop()
    assert status == 0
    assert f"listening on :{server.port} as user 65532" in log
    assert "stopped" in log


def test_it_ends_at_ctrl_c(server: Server) -> None:
    # a terminal sends it to the whole process group, laststage and runtime alike
    subprocess.run(["kill", "-INT", "--", f"-{server.process.pid}"], check=True)
    _, log = server.process.communicate(timeout=20)
    assert server.process.returncode == 0
    assert "stopped" in log


def test_it_knows_time_zones(server: Server) -> None:
    status, text = server.ask("/time?zone=Europe/Zurich")
    assert status == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00 CES?T\n", text)
    assert server.ask("/time?zone=Nowhere/Land") == (400, "unknown time zone Nowhere/Land\n")


def test_it_trusts_no_throwaway_authority(server: Server, tmp_path) -> None:
    with https_server(tmp_path) as untrusted:
        target = urllib.parse.quote(f"https://localhost:{untrusted.port}/", safe="")
        status, text = server.ask(f"/fetch?url={target}")
    assert status == 502
    assert "certificate signed by unknown authority" in text
    assert "no such file" not in text


def test_programs_trust_the_authorities_of_the_image(laststage, web, go_program) -> None:
    laststage("build", "-t", "pool", go_program(POOL))
    assert int(laststage("run", "pool").stdout) > 100


def test_its_image_has_certificates_and_zones(laststage, web) -> None:
    image = laststage.image("web:latest")
    bundle = image.files["etc/ssl/certs/ca-certificates.crt"]
    assert bundle.count(b"-----BEGIN CERTIFICATE-----") > 100
    assert image.files["usr/share/zoneinfo/Europe/Zurich"].startswith(b"TZif")
    assert image.config["config"]["User"] == "65532"
    assert web["amended"] == []


def test_its_image_holds_nothing_of_the_machine_that_built_it(laststage, web) -> None:
    """The machine's own authorities serve the build, and nobody after."""
    image = laststage.image("web:latest")
    own = {path for path in image.files if path.startswith("etc/ssl/")}
    assert own == {"etc/ssl/certs/ca-certificates.crt"}
    text = " ".join(map(str, image.config["config"].get("Env", [])))
    assert "proxy" not in text.lower()
    assert not [path for path, data in image.files.items() if str(laststage.store).encode() in data]


def https_server(folder: Path) -> FileServer:
    """Return a server that proves itself with a certificate of nobody's."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return FileServer({"/": b""}, tls=context)
