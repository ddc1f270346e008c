from __future__ import annotations

from collections.abc import Callable

from laststage.analysis.findings import Owner
from laststage.analysis.owners import Owners
from laststage.analysis.tree import Tree

INFO = "var/lib/dpkg/info"


def test_packages_by_path(tree: Callable[..., Tree]) -> None:
    made = tree(
        {
            f"{INFO}/one.list": b"/.\n/lib\n/lib/one.so\n/usr/bin/one",
            f"{INFO}/two:amd64.list": b"/usr/lib/two.so\n/usr/lib/one.so.1\n",
            f"{INFO}/two:i386.list": b"/usr/lib32/two.so\n",
            f"{INFO}/lost.list": b"/usr/lib/lost.so\n",
            f"{INFO}/one.postinst": b"/usr/lib/script.so\n",
            "var/lib/dpkg/status": (
                b"Package: two\nArchitecture: amd64\nVersion: 2-1\nSource: deux (2)\n\n"
                b"Package: two\nArchitecture: i386\nVersion: 2-2\nSource: deux (2)\n\n"
                b"Package: one\nArchitecture: all\nVersion: 1:1.0\n"
            ),
        }
    )
    paths = ["usr/lib/one.so", "usr/bin/one", "usr/lib/two.so", "usr/lib32/two.so",
             "usr/lib/lost.so", "usr/lib/script.so", "lib/two.so", "opt/x"]  # fmt: skip
    assert Owners(made).of(paths[:6]) == {
        "usr/lib/one.so": Owner("one", "1:1.0", "one"),
        "usr/bin/one": Owner("one", "1:1.0", "one"),
        "usr/lib/two.so": Owner("two", "2-1", "deux"),
        "usr/lib32/two.so": Owner("two", "2-2", "deux"),
        "usr/lib/lost.so": Owner("lost"),
    }
    assert Owners(made).of(paths[6:]) == {"lib/two.so": Owner("two", "2-1", "deux")}
    assert Owners(made).of([]) == {}


def test_an_image_without_a_database(tree: Callable[..., Tree]) -> None:
    assert Owners(tree({"usr/lib/x.so": b""})).of(["usr/lib/x.so"]) == {}
