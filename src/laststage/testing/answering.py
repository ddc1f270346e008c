"""One answer of the registry in memory; it says no wherever the specification allows it to."""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from laststage.testing.registry import INDEX, MemoryRegistry, digest_of, login_of, query_of
from laststage.testing.server import spoiled

if TYPE_CHECKING:
    from laststage.testing.registry import Fault, _Repository

_ROUTE = re.compile(
    r"/v2/(?P<path>.+)/(?P<what>blobs/uploads|blobs|manifests|tags|referrers)/(?P<item>[^/]*)"
)


class Answering:
    """The answer to *request* by *registry*."""

    def __init__(self, registry: MemoryRegistry, request: BaseHTTPRequestHandler) -> None:
        self._registry = registry
        self._request = request
        self._method = request.command
        self._query = {name: values[0] for name, values in query_of(request.path).items()}
        self._fault: Fault | None = None
        self._body = b""

    def run(self) -> None:
        """Read the request to its end and answer it."""
        path = urlsplit(self._request.path).path
        self._fault = self._registry.fault(self._method, self._request.path)
        self._body, is_whole = self._read()
        if not is_whole:
            self._keep_part(path)
            self._request.close_connection = True
            return None
        if self._fault and self._fault.kind in ("busy", "limit", "status", "redirect"):
            return self._fail(self._fault)
        if path == "/token":
            return self._token()
        route = _ROUTE.fullmatch(path)
        if not self._is_allowed(route["path"] if route else ""):
            return self._refuse()
        if path == "/v2/":
            return self._send(200, b"{}")
        if route is None:
            return self._error(404, "UNSUPPORTED", "no such route")
        with self._registry.lock:
            getattr(self, f"_{route['what'].replace('/', '_')}")(route["path"], route["item"])
        return None

    def _read(self) -> tuple[bytes, bool]:
        size = int(self._request.headers.get("Content-Length") or 0)
        if self._fault and self._fault.kind == "cut" and self._method in ("PUT", "PATCH"):
            return self._request.rfile.read(int(size * self._fault.share)), False
        return self._request.rfile.read(size), True

    def _keep_part(self, path: str) -> None:
        upload = path.rpartition("/")[2]
        if upload in self._registry.uploads:
            self._registry.uploads[upload] += self._body

    def _fail(self, fault: Fault) -> None:
        wish = {"Retry-After": fault.after} if fault.after else {}
        match fault.kind:
            case "limit":
                self._error(429, "TOOMANYREQUESTS", "you have reached your limit", wish)
            case "busy":
                self._send(503, b"", wish)
            case "redirect":
                self._send(307, b"", {"Location": fault.location})
            case _:
                self._send(fault.status, fault.body)

    # --- who may do what

    def _is_allowed(self, path: str) -> bool:
        registry = self._registry
        header = self._request.headers.get("Authorization", "")
        match registry.auth:
            case "basic":
                return login_of(header) == registry.login
            case "bearer":
                scopes = registry.tokens.get(header.removeprefix("Bearer "))
                if scopes is None or not path:
                    return scopes is not None
                needed = [f"{path}:{self._action()}"]
                if "from" in self._query:
                    needed.append(f"{self._query['from']}:pull")
                return all(one in scopes for one in needed)
            case _:
                return True

    def _action(self) -> str:
        if self._method in ("GET", "HEAD"):
            return "pull"
        return "delete" if self._method == "DELETE" else "push"

    def _refuse(self) -> None:
        value = 'Basic realm="memory"'
        if self._registry.auth == "bearer":
            route = _ROUTE.fullmatch(urlsplit(self._request.path).path)
            scope = f',scope="repository:{route["path"]}:{self._action()}"' if route else ""
            value = f'Bearer realm="{self._registry.url}/token",service="memory"{scope}'
        self._error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": value})

    def _token(self) -> None:
        registry = self._registry
        if self._method == "POST":
            form = {name: values[0] for name, values in parse_qs(self._body.decode()).items()}
            is_known = form.get("refresh_token") == registry.identity_token
            is_known = is_known and form.get("grant_type") == "refresh_token"
            wanted, is_right = form.get("scope", "").split(), is_known
        else:
            wanted = query_of(self._request.path).get("scope", [])
            login = login_of(self._request.headers.get("Authorization", ""))
            is_right = login == registry.login
        if not is_right:
            return self._error(401, "UNAUTHORIZED", "incorrect username or password")
        scopes = set()
        for scope in wanted:
            _, path, actions = scope.split(":")
            scopes |= {f"{path}:{action}" for action in actions.split(",")}
        token = uuid.uuid4().hex
        registry.tokens[token] = scopes
        return self._send(200, json.dumps({"token": token, "expires_in": 60}).encode())

    # --- blobs

    def _blobs(self, path: str, digest: str) -> None:
        repository = self._registry.repositories.get(path)
        if repository is None:
            return self._error(404, "NAME_UNKNOWN", "repository name not known")
        if digest not in repository.blobs:
            return self._error(404, "BLOB_UNKNOWN", "blob unknown")
        data, status = self._registry.blobs[digest], 200
        headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
        wish = self._request.headers.get("Range", "")
        if wish and self._registry.ranges:
            start = int(wish.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data, status = data[start:], 206
        return self._send(status, data, headers)

    def _blobs_uploads(self, path: str, upload: str) -> None:
        match self._method:
            case "POST":
                self._begin(path)
            case _ if upload not in self._registry.uploads:
                self._error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown")
            case "GET":
                self._report(path, upload, 204)
            case _:
                self._receive(path, upload)

    def _begin(self, path: str) -> None:
        digest, source = self._query.get("mount", ""), self._query.get("from", "")
        if digest and digest in self._registry.repository(source).blobs:
            self._registry.repository(path).blobs.add(digest)
            return self._send(201, b"", {"Location": f"/v2/{path}/blobs/{digest}"})
        upload = uuid.uuid4().hex
        self._registry.uploads[upload] = b""
        self._registry.repository(path)
        return self._report(path, upload, 202)

    def _report(self, path: str, upload: str, status: int) -> None:
        size = len(self._registry.uploads[upload])
        location = f"/v2/{path}/blobs/uploads/{upload}?state=some"
        self._send(status, b"", {"Location": location, "Range": f"0-{max(size - 1, 0)}"})

    def _receive(self, path: str, upload: str) -> None:
        known = self._registry.uploads[upload]
        if self._query.get("state") != "some":
            return self._error(400, "BLOB_UPLOAD_INVALID", "the query of the location is missing")
        if self._method == "PATCH":
            begin = self._request.headers.get("Content-Range", "").partition("-")[0]
            if begin != str(len(known)):
                return self._error(416, "BLOB_UPLOAD_INVALID", "another part was expected")
        data = known + self._body
        self._registry.uploads[upload] = data
        if self._method == "PATCH":
            return self._report(path, upload, 202)
        del self._registry.uploads[upload]
        digest = self._query.get("digest", "")
        if digest_of(data) != digest:
            return self._error(400, "DIGEST_INVALID", "provided digest did not match")
        self._registry.add_blob(path, data)
        return self._send(201, b"", {"Location": f"/v2/{path}/blobs/{digest}"})

    # --- manifests

    def _manifests(self, path: str, item: str) -> None:
        if self._method == "PUT":
            return self._put(path, item)
        repository = self._registry.repositories.get(path)
        if repository is None:
            return self._error(404, "NAME_UNKNOWN", "repository name not known")
        digest = repository.tags.get(item, item)
        if digest not in repository.manifests:
            return self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if self._method == "DELETE":
            return self._delete(repository, item)
        kind, data = repository.manifests[digest]
        return self._send(200, data, {"Content-Type": kind, "Docker-Content-Digest": digest})

    def _put(self, path: str, item: str) -> None:
        document: dict[str, Any] = json.loads(self._body)
        repository, kind = self._registry.repository(path), self._request.headers["Content-Type"]
        # what has addresses of its own need not be here
        layers = [layer for layer in document.get("layers", []) if not layer.get("urls")]
        blobs = [*layers, *filter(None, [document.get("config")])]
        if any(blob["digest"] not in repository.blobs for blob in blobs):
            return self._error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
        below = document.get("manifests", []) if "-" not in item else []
        if any(one["digest"] not in repository.manifests for one in below):
            return self._error(400, "MANIFEST_UNKNOWN", "manifest unknown")
        digest = digest_of(self._body)
        if ":" in item and item != digest:
            return self._error(400, "DIGEST_INVALID", "provided digest did not match")
        repository.manifests[digest] = (kind, self._body)
        if ":" not in item:
            repository.tags[item] = digest
        headers = {"Location": f"/v2/{path}/manifests/{digest}", "Docker-Content-Digest": digest}
        if self._registry.has_referrers and "subject" in document:
            headers["OCI-Subject"] = document["subject"]["digest"]
        return self._send(201, b"", headers)

    def _delete(self, repository: _Repository, item: str) -> None:
        if ":" in item:
            del repository.manifests[item]
            repository.tags = {t: d for t, d in repository.tags.items() if d != item}
        elif self._registry.deletes_tags:
            del repository.tags[item]
        else:
            return self._error(405, "UNSUPPORTED", "the operation is unsupported")
        return self._send(202, b"")

    def _tags(self, path: str, _list: str) -> None:
        repository = self._registry.repositories.get(path)
        if repository is None:
            return self._error(404, "NAME_UNKNOWN", "repository name not known")
        last, tags = self._query.get("last", ""), sorted(repository.tags)
        page = [tag for tag in tags if tag > last][: self._registry.page]
        headers = {}
        if page and page[-1] != tags[-1]:
            headers["Link"] = f'</v2/{path}/tags/list?n=9&last={page[-1]}>; rel="next"'
        return self._send(200, json.dumps({"name": path, "tags": page}).encode(), headers)

    def _referrers(self, path: str, digest: str) -> None:
        if not self._registry.has_referrers:
            return self._error(404, "NOT_FOUND", "404 page not found")
        found = []
        for own, (kind, data) in self._registry.repository(path).manifests.items():
            document = json.loads(data)
            if document.get("subject", {}).get("digest") == digest:
                entry = {"mediaType": kind, "digest": own, "size": len(data)}
                entry["artifactType"] = document["artifactType"]
                entry["annotations"] = document.get("annotations")
                found.append(entry)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}
        return self._send(200, json.dumps(index).encode(), {"Content-Type": INDEX})

    # --- bytes

    def _error(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._send(status, body, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        kind = self._fault.kind if self._fault else ""
        body = spoiled(kind, body)
        request = self._request
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        if status != 204:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self._method == "HEAD" or status == 204:
            return
        if self._fault and kind == "cut":
            body = body[: int(len(body) * self._fault.share)]
            request.close_connection = True
        with contextlib.suppress(ConnectionError):
            request.wfile.write(body)
