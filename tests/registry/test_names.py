"""Which server a name means."""

from __future__ import annotations

import pytest

from laststage.errors import UsageError
from laststage.model.reference import Reference
from laststage.registry.names import HUB, Endpoint, Place, RegistryConfig, endpoints, origin


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("golang", "docker.io/library/golang"),
        ("docker.io/golang:1.24", "docker.io/library/golang"),
        ("grafana/grafana", "docker.io/grafana/grafana"),
        ("Docker.IO/library/golang", "docker.io/library/golang"),
        ("localhost/golang", "localhost/golang"),
        ("example.com:5000/a/b/c:1", "example.com:5000/a/b/c"),
    ],
)
def test_the_repository_of_a_reference(text: str, place: str) -> None:
    assert str(Place.of(Reference.parse(text))) == place


def test_docker_hub_answers_elsewhere_and_only_with_tls() -> None:
    hub = origin(HUB, RegistryConfig(insecure=(HUB,)))
    assert hub.host == HUB
    assert hub.address.endswith(f".{HUB}")
    assert (hub.schemes, hub.verify) == (("https",), True)


@pytest.mark.parametrize(
    ("host", "schemes", "verify"),
    [
        ("example.com", ("https",), True),
        ("example.com:443", ("https",), True),
        ("localhost:5000", ("https", "http"), True),
        ("127.8.0.1", ("https", "http"), True),
        ("[::1]:5000", ("https", "http"), True),
        ("127.0.0.1.example.com", ("https",), True),
        ("lab.example:5000", ("https", "http"), False),
        ("lab.example:5001", ("https",), True),
        ("any.example:77", ("https", "http"), False),
    ],
)
def test_only_what_is_near_or_named_may_do_without_tls(
    host: str, schemes: tuple[str, ...], verify: bool
) -> None:
    config = RegistryConfig(insecure=("lab.example:5000", "ANY.example"))
    assert origin(host, config) == Endpoint(host, host, schemes, "", verify)


def test_mirrors_come_first_and_may_have_a_path_and_a_scheme() -> None:
    mirrors = ("near.example", "https://big.example/hub/", "http://old.example:80")
    found = endpoints(HUB, RegistryConfig(mirrors={HUB: mirrors}))
    assert found == (
        Endpoint("near.example", "near.example", ("https",)),
        Endpoint("big.example", "big.example", ("https",), "hub"),
        Endpoint("old.example:80", "old.example:80", ("http",)),
        origin(HUB, RegistryConfig()),
    )
    assert endpoints("example.com", RegistryConfig(mirrors={HUB: mirrors})) == (
        Endpoint("example.com", "example.com", ("https",)),
    )


@pytest.mark.parametrize("url", ["", "ftp://x", "https://", "https://me:secret@x"])
def test_mirrors_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="not a mirror") as caught:
        endpoints("x", RegistryConfig(mirrors={"x": (url,)}))
    assert "secret" not in str(caught.value)
