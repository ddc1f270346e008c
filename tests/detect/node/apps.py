"""Parts of Node apps, as the tests write them."""

from __future__ import annotations

from typing import Any

LISTENS = "const app = require('express')();\napp.listen(process.env.PORT || 4000);\n"
EXPRESS = {"express": "^5"}


def script(start: str, **scripts: str) -> dict[str, Any]:
    return {"scripts": {"start": start, **scripts}, "dependencies": EXPRESS}
