"""What a static site is: how it is built, and what serving it takes."""

from __future__ import annotations

from msgspec import field

from laststage.detect.javascript.package import JavaScriptPackage
from laststage.detect.profile import App


class StaticProfile(App, frozen=True, tag="static", kw_only=True):
    """A site of files, that a build makes or that are there already.

    *tool* is what makes it, empty for plain files; *build* the shell command that does, empty for
    none, *build_env* its environment. *package* is the package.json that it is a script of, if
    any; *requirements* are files for pip, and *modules* more to install by it, or by npm;
    *needs_sources* says that the files name others in the folder. *output* is the
    folder of the app's that holds the site then, empty if the build has to look for it, and
    *index* a file that must be in it.

    *base* is the path that the site's links begin with, from slash to slash. *fallback* is the
    page that is answered for a path that is no file, empty for none, and *missing* the page that
    goes with a 404. *immutable* is a regular expression for paths whose files never change; it
    begins with ``^/``, which stands for the base, or may match anywhere. *made* are lines for the
    ignore file: what a build leaves on a developer's machine.
    """

    tool: str = ""
    build: str = ""
    build_env: dict[str, str] = field(default_factory=dict)
    package: JavaScriptPackage | None = None
    requirements: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    needs_sources: bool = False
    output: str = "."
    index: str = "index.html"
    base: str = "/"
    fallback: str = ""
    missing: str = "404.html"
    immutable: str = ""
    made: tuple[str, ...] = ()
