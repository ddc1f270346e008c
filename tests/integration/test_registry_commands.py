"""The commands that talk to registries, with Debian's registry and skopeo on the other side."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from laststage.oci.documents import INDEX, Descriptor, Index, encode
from laststage.oci.layout import Layout
from laststage.store.root import Store

from .conftest import Laststage
from .registries import Served, blobs_of, make_image, serve

pytestmark = [pytest.mark.integration, pytest.mark.whoever("it makes its users itself")]

PASSWORD = "p:ssword"


@pytest.fixture(scope="module")
def registry(session_folder: Path) -> Iterator[Served]:
    """A registry with TLS and a login."""
    yield from serve(session_folder / "command-registry", tls=True)


@pytest.fixture(scope="module")
def plain(session_folder: Path) -> Iterator[Served]:
    """A registry without either."""
    yield from serve(session_folder / "plain-command-registry", tls=False)


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """Docker's folder of settings, not there yet."""
    return tmp_path / "docker"


@pytest.fixture
def command(laststage: Laststage, registry: Served, docker: Path, tmp_path: Path) -> Laststage:
    """The command line over a store of the test's own, trusting the registry, not logged in."""
    extra = {"LASTSTAGE_CA": str(registry.certificate), "DOCKER_CONFIG": str(docker)}
    return replace(laststage.on(tmp_path / "store"), extra=extra)


@pytest.fixture
def logged_in(command: Laststage, registry: Served) -> Laststage:
    line = ("login", registry.address, "-u", "tester", "--password-stdin")
    command(*line, stdin=PASSWORD)
    return command


@pytest.fixture
def stored(command: Laststage) -> Callable[..., Descriptor]:
    """Return what puts an image into the command's store."""

    def make(name: str, *contents: bytes) -> Descriptor:
        store = Store(str(command.store))
        store.prepare()
        image = make_image(store, *contents)
        Layout(store).tag(
            Served(name.partition("/")[0], Path()).named(name.partition("/")[2]), image
        )
        return image

    return make


def raw(skopeo: Callable[..., str], registry: Served, name: str) -> bytes:
    """Return a manifest as skopeo gets it."""
    login = ["--authfile", registry.authfile, "--cert-dir", registry.folder]
    return skopeo("inspect", "--raw", *login, registry.docker(name)).encode()


def test_there_and_back(
    logged_in: Laststage,
    registry: Served,
    stored: Callable[..., Descriptor],
    skopeo: Callable[..., str],
    tmp_path: Path,
) -> None:
    image = stored(f"{registry.address}/one:1", os.urandom(3 << 20), b"two")
    done = logged_in("push", f"{registry.address}/one:1")
    assert done.stdout == f"{registry.address}/one:1  {image.digest}\n"
    assert f"pushed {registry.address}/one:1" in done.stderr
    done = logged_in("push", "--json", image.digest[7:19], f"{registry.address}/deep/er/two:2")
    assert json.loads(done.stdout)["digest"] == image.digest
    assert raw(skopeo, registry, "deep/er/two:2") == raw(skopeo, registry, "one:1")
    other = logged_in.on(tmp_path / "other")
    done = other("pull", "--json", f"{registry.address}/deep/er/two:2")
    assert json.loads(done.stdout) == {
        "reference": f"{registry.address}/deep/er/two:2",
        "digest": image.digest,
        "index": None,
        "platform": "linux/amd64",
        "compressed": sum(layer.size for layer in Layout(Store(str(other.store))).manifest(image).layers),
    }  # fmt: skip
    assert other.tags() == [f"{registry.address}/deep/er/two:2"]
    assert blobs_of(Store(str(other.store))) == blobs_of(Store(str(logged_in.store)))
    other("copy", f"{registry.address}/one:1", f"{registry.address}/three:3")
    assert raw(skopeo, registry, "three:3") == raw(skopeo, registry, "one:1")
    done = other("push", image.digest[7:19], expect=2)
    assert "says which image, not where to" in done.stderr


def test_platforms(
    logged_in: Laststage, registry: Served, skopeo: Callable[..., str], tmp_path: Path
) -> None:
    store = Store(str(logged_in.store))
    store.prepare()
    images = (make_image(store, b"a"), make_image(store, b"b", architecture="arm64"))
    data = encode(Index(2, INDEX, images))
    index = Descriptor(INDEX, str(Layout(store).blobs.put(data)), len(data))
    Layout(store).tag(registry.named("multi:1"), index)
    skopeo(
        "--insecure-policy", "copy", "--quiet", "--all", "--dest-cert-dir", registry.folder,
        "--dest-authfile", registry.authfile, f"oci:{store.root}:{registry.address}/multi:1",
        registry.docker("multi:1"),
    )  # fmt: skip
    other = logged_in.on(tmp_path / "other")
    name = f"{registry.address}/multi:1"
    found = json.loads(other("pull", "--json", "--platform", "linux/arm64", name).stdout)
    assert (found["digest"], found["index"]) == (images[1].digest, index.digest)
    done = other("pull", "--platform", "linux/s390x", name, expect=1)
    assert "is not made for linux/s390x" in done.stderr
    assert "it is made for linux/amd64, linux/arm64" in done.stderr
    all_of_it = other("copy", "--referrers", "--json", name, f"{registry.address}/all:1")
    assert json.loads(all_of_it.stdout)["digest"] == index.digest
    one = other("copy", "--json", "--platform", "arm64", name, f"{registry.address}/arm:1")
    assert json.loads(one.stdout)["digest"] == images[1].digest


def test_names(command: Laststage, stored: Callable[..., Descriptor]) -> None:
    image = stored("localhost/one:1", b"1")
    command("tag", "localhost/one:1", "two", "me/three:3")
    assert command.tags() == ["localhost/one:1", "me/three:3", "two:latest"]
    done = command("tag", "two", "five", "UPPER", expect=2)
    assert "image names are lower case: upper" in done.stderr
    command("tag", "two", f"six@{image.digest}", expect=2)
    done = command("rmi", "two", "me/thre:3", expect=2)
    assert "did you mean me/three:3?" in done.stderr
    assert len(command.tags()) == 3
    assert command("rmi", "two").stdout == "untagged two:latest\n"
    assert command.tags() == ["localhost/one:1", "me/three:3"]
    command("rmi", image.digest[7:17])
    assert command.tags() == []
    assert Layout(Store(str(command.store))).manifest(image).layers  # until it is collected


def test_a_login_is_tried_and_kept(
    command: Laststage, registry: Served, docker: Path, skopeo: Callable[..., str]
) -> None:
    docker.mkdir()
    config = docker / "config.json"
    mine = '{\n\t"zzz": {"b": 1.50, "a": "ü"},\n\t"auths": {"x.example": {"auth": "eDp5"}},\n\t"aaa": null\n}'
    config.write_text(mine)
    line = ("login", f"https://{registry.address}/v2/", "-u", "tester", "--password-stdin")
    done = command(*line, stdin="wrong\n", expect=1)
    assert "does not take this user name and password" in done.stderr
    assert config.read_text() == mine
    done = command(*line, stdin=f"{PASSWORD}\n")
    assert done.stdout == f"logged in at {registry.address}\n"
    assert f"unencrypted in {config}" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert config.stat().st_mode & 0o777 == 0o600
    found = json.loads(config.read_text())
    assert list(found) == ["zzz", "auths", "aaa"]
    assert '"b": 1.5' in config.read_text()
    assert "ü" in config.read_text()
    assert list(found["auths"]) == ["x.example", registry.address]
    # another client reads it too
    skopeo("list-tags", "--authfile", config, "--cert-dir", registry.folder, registry.docker("one"))
    done = command("logout", registry.address)
    assert done.stdout == f"logged out of {registry.address}\n"
    assert json.loads(config.read_text())["auths"] == {"x.example": {"auth": "eDp5"}}
    assert "there was no login" in command("logout", registry.address).stderr
    assert sorted(path.name for path in docker.iterdir()) == ["config.json"]


HELPER = """#!/bin/sh
cd {folder}
case $1 in
store) cat > kept ;;
get) read server; if [ -e kept ]; then cat kept; else echo credentials not found in native keychain; exit 1; fi ;;
erase) read server; echo $server > erased; rm kept ;;
esac
"""


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_helper_keeps_the_login(
    command: Laststage, registry: Served, docker: Path, tmp_path: Path, key: str
) -> None:
    helper = tmp_path / "bin" / "docker-credential-folder"
    helper.parent.mkdir()
    helper.write_text(HELPER.format(folder=tmp_path))
    helper.chmod(0o755)
    docker.mkdir()
    value = "folder" if key == "credsStore" else {registry.address: "folder"}
    (docker / "config.json").write_text(json.dumps({key: value}))
    path = {"PATH": f"{helper.parent}:{os.environ['PATH']}"}
    line = ("login", registry.address, "-u", "tester", "--password-stdin")
    done = command(*line, stdin=PASSWORD, env=path)
    assert "unencrypted" not in done.stderr
    kept = json.loads((tmp_path / "kept").read_text())
    assert kept == {"ServerURL": registry.address, "Username": "tester", "Secret": PASSWORD}
    found = json.loads((docker / "config.json").read_text())
    assert found == {key: value, "auths": {registry.address: {}}}
    done = command("pull", f"{registry.address}/nothing:1", env=path, expect=1)
    assert "has no" in done.stderr  # which it says only to who is logged in
    command("logout", registry.address, env=path)
    assert (tmp_path / "erased").read_text().strip() == registry.address
    assert not (tmp_path / "kept").exists()
    assert json.loads((docker / "config.json").read_text()) == {key: value, "auths": {}}


def test_a_password_is_asked_for_without_an_echo(command: Laststage, registry: Served) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(command.home)
        line = command.line("login", registry.address)
        os.execvpe(line[0], line, command.env)
    said = b""
    for question, answer in ((b"user name for", b"tester\n"), (b"password for", b"p:ssword\n")):
        said += read_until(terminal, question)
        time.sleep(0.2)  # getpass drops what was typed before it asked
        os.write(terminal, answer)
    said += read_until(terminal, b"logged in at")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert PASSWORD.encode() not in said


def read_until(terminal: int, words: bytes) -> bytes:
    said = b""
    while words not in said:
        assert select.select([terminal], [], [], 30)[0], said
        said += os.read(terminal, 4096)
    return said


def test_a_password_among_the_arguments_is_refused_and_not_repeated(command: Laststage) -> None:
    for flag in (("-p", "geheim"), ("--password", "geheim"), ("--password=geheim",)):
        done = command("login", "far.example", "-u", "me", *flag, expect=2)
        assert "is seen by every user" in done.stderr
        assert "geheim" not in done.stderr
    assert "--password-stdin" in command("login", "far.example", expect=2).stderr
    assert "not the name of a registry" in command("login", "no/host", expect=2).stderr


def test_podmans_file_is_a_further_source(
    command: Laststage, registry: Served, tmp_path: Path
) -> None:
    name = f"{registry.address}/nothing:1"
    assert "wants a login" in command("pull", name, expect=1).stderr
    own = {"REGISTRY_AUTH_FILE": str(registry.authfile)}
    assert "has no" in command("pull", name, env=own, expect=1).stderr
    (tmp_path / "containers").mkdir()
    assert registry.authfile is not None
    (tmp_path / "containers" / "auth.json").write_bytes(registry.authfile.read_bytes())
    found = command("pull", name, env={"XDG_RUNTIME_DIR": str(tmp_path)}, expect=1)
    assert "has no" in found.stderr


def test_a_build_is_pushed(
    logged_in: Laststage,
    registry: Served,
    plain: Served,
    skopeo: Callable[..., str],
    tmp_path: Path,
) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "file").write_text("content")
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    folder = tmp_path / "context"
    tags = ("-t", f"{registry.address}/built:1", "-t", f"{plain.address}/built:2")
    line = ("-f", folder / "Dockerfile", *tags, folder)
    report = logged_in.build("--push", *line)
    assert json.loads(raw(skopeo, registry, "built:1"))["layers"]
    other = logged_in.on(tmp_path / "other")
    found = json.loads(other("pull", "--json", f"{plain.address}/built:2").stdout)
    assert found["digest"] == report["digest"]
    for output in ("type=registry", "type=image,push=true"):
        again = logged_in("build", "-o", output, *line)
        assert f"pushed {registry.address}/built:1" in again.stderr
    assert "pushed" in logged_in("build", "--push", *line).stderr  # no receipt in its place
    done = logged_in("build", "--push", folder, "-f", folder / "Dockerfile", expect=2)
    assert "nothing says where to push" in done.stderr
    done = logged_in("build", "--push", "-t", "app", folder, "-f", folder / "Dockerfile", expect=2)
    assert "app:latest names no registry to push to" in done.stderr


def test_an_ordinary_user_pulls_and_pushes(
    ordinary: Laststage, command: Laststage, plain: Served, stored: Callable[..., Descriptor]
) -> None:
    image = stored(f"{plain.address}/ordinary:1", b"ordinary")
    command("push", f"{plain.address}/ordinary:1")
    ordinary("pull", f"{plain.address}/ordinary:1")
    done = ordinary("push", f"{plain.address}/ordinary:1", f"{plain.address}/again:1")
    assert image.digest in done.stdout
    ordinary("rmi", f"{plain.address}/ordinary:1")
    assert f"{plain.address}/ordinary:1" not in ordinary.tags()


def test_mistakes_are_told(
    command: Laststage,
    logged_in: Laststage,
    registry: Served,
    plain: Served,
    stored: Callable[..., Descriptor],
    tmp_path: Path,
    free_port: int,
) -> None:
    stored(f"{registry.address}/app:v1.0", b"1")
    for tag in ("v1.0", "v1.1", "latest"):
        logged_in("push", f"{registry.address}/app:v1.0", f"{registry.address}/app:{tag}")
    mistakes = {
        f"{registry.address}/app:v1.2": ("has no image", "did you mean v1.1 or v1.0?"),
        f"{registry.address}/other:1": ("has no", "check the"),
        "no-such-host.invalid/app:1": ("no address found for no-such-host.invalid", "check the"),
        f"127.0.0.1:{free_port}/app": ("no connection to 127.0.0.1", "check the network"),
        f"{registry.address}/App:1": ("not an image name", "lower case"),
    }
    for name, (message, hint) in mistakes.items():
        said = logged_in("pull", name, expect=None).stderr
        assert message in said.partition("hint: ")[0]
        assert hint in said.partition("hint: ")[2]
    untrusting = {"LASTSTAGE_CA": "", "DOCKER_CONFIG": str(tmp_path / "none")}
    said = command("pull", f"{registry.address}/app:v1.0", env=untrusting, expect=1).stderr
    assert "certificate is not trusted" in said
    assert f"/etc/docker/certs.d/{registry.address}/ca.crt" in said
    insecure = {**untrusting, "LASTSTAGE_INSECURE_REGISTRIES": registry.address}
    said = command("pull", f"{registry.address}/app:v1.0", env=insecure, expect=1).stderr
    assert f"wants a login for {registry.address}/app" in said
    assert f"laststage login {registry.address}" in said
    said = logged_in("push", f"{registry.address}/app:v1.0", "app:2", expect=2).stderr
    assert "HOST/app:2, or docker.io/USER/app:2" in said
    said = logged_in("pull", "--offline", f"{plain.address}/app:1", expect=1).stderr
    assert "offline" in said


def test_settings_of_registries(
    logged_in: Laststage,
    registry: Served,
    plain: Served,
    stored: Callable[..., Descriptor],
    tmp_path: Path,
) -> None:
    image = stored(f"{plain.address}/mirrored/app:1", b"mirrored")
    logged_in("push", f"{plain.address}/mirrored/app:1")
    folder = tmp_path / "settings"
    folder.mkdir()
    text = f'[registries."far.example"]\nmirrors = ["http://{plain.address}/mirrored"]\n'

    def pull(text: str) -> subprocess.CompletedProcess[str]:
        (folder / "laststage.toml").write_text(text)
        own = replace(logged_in.on(tmp_path / "other"), home=folder)
        return own("pull", "far.example/app:1", expect=None)

    assert pull(text).stdout == f"far.example/app:1  {image.digest}\n"
    wrong = {
        text.replace("mirrors", "mirror"): "did you mean mirrors?",
        text.replace("registries.", "registrys."): "did you mean registries?",
        text.replace("http://", "ftp://"): "https://HOST[:PORT][/PATH]",
        text.replace("= [", "= 7 # ["): "mirrors = [",
    }  # fmt: skip
    for text, hint in wrong.items():
        done = pull(text)
        assert done.returncode == 2
        assert hint in done.stderr
