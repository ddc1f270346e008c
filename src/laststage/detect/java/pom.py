"""Maven's project files as far as a plan depends on them: inheritance and properties within a folder.

A parent that is not in the folder is known by its name alone; nothing is fetched.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from xml.etree import ElementTree as ET

from laststage.detect.files import AppFolder
from laststage.errors import UsageError

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_ROUNDS = 8  # a property that names itself ends after so many


class Pom:
    """One pom.xml; *folder* is where it stands, empty for the app's own."""

    def __init__(self, app: AppFolder, folder: str = "") -> None:
        self.folder = folder
        self.path = f"{folder}/pom.xml" if folder else "pom.xml"
        self._app = app
        self.text = app.text(self.path)
        self.root = _parsed(self.text, f"{app.root}/{self.path}")

    @cached_property
    def parent(self) -> Pom | None:
        """The parent, if its file is in the app's folder."""
        element = self.root.find("parent")
        if element is None:
            return None
        relative = element.findtext("relativePath")
        target = "../pom.xml" if relative is None else relative.strip()
        if not target:
            return None
        path = os.path.normpath(os.path.join(self.folder, target))
        if not path.endswith(".xml"):
            path = os.path.join(path, "pom.xml")
        if path.startswith("..") or not self._app.has(path) or os.path.basename(path) != "pom.xml":
            return None
        found = Pom(self._app, os.path.dirname(path))
        named = (element.findtext("artifactId") or "").strip()
        return found if found.own("artifactId") == named else None

    @cached_property
    def lineage(self) -> tuple[Pom, ...]:
        """This one and its parents, as far as they are in the folder."""
        found: list[Pom] = [self]
        while (above := found[-1].parent) is not None and len(found) < _ROUNDS:
            found.append(above)
        return tuple(found)

    @cached_property
    def ancestor(self) -> tuple[str, str]:
        """Name and version of the first parent that is not in the folder; empty without one."""
        element = self.lineage[-1].root.find("parent")
        if element is None:
            return "", ""
        name = (element.findtext("artifactId") or "").strip()
        return name, self.value(element.findtext("version"))

    @cached_property
    def properties(self) -> dict[str, str]:
        """Properties, its own before its parents', not yet expanded."""
        found: dict[str, str] = {}
        for pom in self.lineage:
            for element in pom.root.findall("properties/*"):
                found.setdefault(element.tag, (element.text or "").strip())
        for name in ("groupId", "artifactId", "version", "name", "packaging"):
            found.setdefault(f"project.{name}", self.inherited(name))
        above = self.root.find("parent")
        if above is not None:
            found["project.parent.version"] = (above.findtext("version") or "").strip()
        return found

    def own(self, tag: str) -> str:
        """Return the text of the element *tag* of the project itself."""
        return (self.root.findtext(tag) or "").strip()

    def inherited(self, tag: str) -> str:
        """Return the text of *tag*, else that of the parent: for groupId and version."""
        if (text := self.own(tag)) or tag not in ("groupId", "version"):
            return text
        return (self.root.findtext(f"parent/{tag}") or "").strip()

    def value(self, text: str | None) -> str:
        """Return *text* with its properties expanded; what is not known stays as it is written."""
        found = (text or "").strip()
        for _ in range(_ROUNDS):
            expanded = _VARIABLE.sub(lambda match: self.properties.get(match[1], match[0]), found)
            if expanded == found:
                break
            found = expanded
        return found

    def prop(self, *names: str) -> str:
        """Return the value of the first of the properties *names* that is set and known, else ""."""
        for name in names:
            value = self.value(self.properties.get(name))
            if value and "${" not in value:
                return value
        return ""

    @cached_property
    def packaging(self) -> str:
        """What the project is packed as."""
        return self.value(self.own("packaging")) or "jar"

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The folders of its modules, those of profiles that are active without being asked too."""
        found = [element.text or "" for element in self.root.findall("modules/module")]
        for profile in self.root.findall("profiles/profile"):
            if (profile.findtext("activation/activeByDefault") or "").strip() == "true":
                found += [element.text or "" for element in profile.findall("modules/module")]
        return tuple(
            path
            for name in found
            if self._app.has(
                f"{(path := os.path.normpath(os.path.join(self.folder, name.strip())))}/pom.xml"
            )
        )

    def dependencies(self) -> list[tuple[str, str, str]]:
        """Return the dependencies, inherited ones too, as (group, name, scope)."""
        return [
            (
                self.value(element.findtext("groupId")),
                self.value(element.findtext("artifactId")),
                self.value(element.findtext("scope")) or "compile",
            )
            for pom in self.lineage
            for element in pom.root.findall("dependencies/dependency")
        ]

    def plugin(self, name: str) -> ET.Element | None:
        """Return the plugin *name* of the build, from the nearest project that has it; None without.

        What a parent only manages does not count.
        """
        for pom in self.lineage:
            for element in pom.root.findall("build/plugins/plugin"):
                if self.value(element.findtext("artifactId")) == name:
                    return element
        return None

    def configured(self, name: str) -> list[ET.Element]:
        """Return every element that says something of the plugin *name*, managed or not, nearest first."""
        return [
            element
            for pom in self.lineage
            for path in ("build/plugins/plugin", "build/pluginManagement/plugins/plugin")
            for element in pom.root.findall(path)
            if self.value(element.findtext("artifactId")) == name
        ]

    def where(self, pattern: str) -> str:
        """Return ``file:line`` of *pattern* in this pom or the parent that has it."""
        for pom in self.lineage:
            if re.search(pattern, pom.text):
                return self._app.where(pom.path, pattern)
        return self.path


def _parsed(text: str, where: str) -> ET.Element:
    # a project file needs no document type; one that has it could make the parser work without end
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UsageError("a project file with a document type is not read", where=where)
    try:
        root = ET.fromstring(text.encode())  # noqa: S314  # without a document type it is harmless
    except ET.ParseError as error:
        raise UsageError(f"not XML: {error}", where=where) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
