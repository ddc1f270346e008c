"""Image references, by the grammar of the distribution project."""

from __future__ import annotations

import re

from msgspec import Struct

from laststage.errors import UsageError
from laststage.model.digest import Digest

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_GRAMMAR = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]+))?",
    re.ASCII,
)


class Reference(Struct, frozen=True, order=True):
    """A name for an image; *domain* is empty for Docker Hub's short names, *path* as written."""

    domain: str
    path: str
    tag: str = "latest"
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference as people write it. Raise UsageError for what is none."""
        match = _GRAMMAR.fullmatch(text)
        if not match:
            hint = "a name has lower-case letters, digits, and . _ - / between them"
            if text != text.lower() and _GRAMMAR.fullmatch(text.lower()):
                hint = f"image names are lower case: {text.lower()}"
            raise UsageError(f"not an image name: {text!r}", hint=hint)
        domain, path = match["domain"] or "", match["path"]
        if domain and not ("." in domain or ":" in domain or domain == "localhost"):
            domain, path = "", f"{domain}/{path}"
            if path != path.lower():
                raise UsageError(
                    f"not an image name: {text!r}",
                    hint=f"image names are lower case: {path.lower()}",
                )
        if len(domain) + len(path) > 255:
            raise UsageError(f"not an image name: {text!r}", hint="a name has at most 255 letters")
        digest = Digest.parse(match["digest"]) if match["digest"] else None
        return cls(domain, path, match["tag"] or ("" if digest else "latest"), digest)

    @property
    def name(self) -> str:
        """The reference without tag and digest."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"
