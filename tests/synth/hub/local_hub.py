"""A Hub on loopback, for tests: the endpoints that `huggingface_hub` and `datasets` need to create a dataset, send
files (git LFS), commit, open pull requests, list and download. Everything is kept in memory.

    with LocalHub() as hub:
        subprocess.run(..., env=hub.environment(folder))

`log` has every request; `uploads` how often each LFS object was sent; `fail(...)` makes requests fail.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_local_token_of_a_writer"
LFS = (".parquet", ".jpg", ".png")


@dataclass
class File:
    """A file of a commit."""

    content: bytes
    lfs: bool

    @property
    def entry(self) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()
        found: dict[str, Any] = {"type": "file", "oid": blob, "size": len(self.content)}
        if self.lfs:
            oid = hashlib.sha256(self.content).hexdigest()
            found["lfs"] = {"oid": oid, "size": len(self.content), "pointerSize": 128}
        return found

    @property
    def etag(self) -> str:
        return self.entry["lfs"]["oid"] if self.lfs else self.entry["oid"]


@dataclass
class Repo:
    """A dataset: whether it is private, the commits by sha, and the sha of each branch or pull request."""

    private: bool
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, ref: str, files: dict[str, File]) -> str:
        sha = hashlib.sha1(f"{ref} {len(self.commits)}".encode()).hexdigest()
        self.commits[sha] = files
        self.refs[ref] = sha
        return sha

    def at(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass
class Fault:
    """Answers the requests that match with a status, or with nothing at all (0), so many times."""

    method: str
    path: str
    status: int
    times: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "no reason"


class LocalHub:
    """The server, started as a context."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.uploads: Counter[str] = Counter()
        self.log: list[str] = []
        self.faults: list[Fault] = []
        self.on_upload: Callable[[], None] = lambda: None
        hub = self

        class Handler(_Handler):
            state = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LocalHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path, token: str | None = TOKEN) -> dict[str, str]:
        """What a process needs to take this Hub for the real one."""
        found = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        return found | ({} if token is None else {"HF_TOKEN": token})

    def fail(self, method: str, path: str, status: int, times: int = 1, **more: Any) -> None:
        """Make the next requests fail whose path matches; status 0 cuts the connection."""
        self.faults.append(Fault(method, path, status, times, **more))

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """Content by path."""
        found = self.repos[repo]
        return {path: file.content for path, file in found.commits[str(found.at(revision))].items()}

    def edit(self, repo: str, path: str, content: bytes) -> None:
        """Commit a change as a person does on the page."""
        found = self.repos[repo]
        found.commit("main", {**found.commits[found.refs["main"]], path: File(content, path.endswith(LFS))})


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(status, code, message)


class _Handler(BaseHTTPRequestHandler):
    state: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        path, self.query = unquote(address.path), parse_qs(address.query)
        self.state.log.append(f"{method} {path}")
        for fault in self.state.faults:
            if fault.times and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                if not fault.status:
                    self.connection.close()
                    self.close_connection = True
                    return
                self._send(fault.status, {"error": fault.message}, fault.headers | {"X-Error-Message": fault.message})
                return
        try:
            for wanted, pattern, reply in _ROUTES:
                found = re.fullmatch(pattern, path)
                if found and method in wanted.split():
                    reply(self, body, **found.groupdict())
                    return
            raise _Refused(404, "EntryNotFound", f"no such endpoint: {path}")
        except _Refused as refused:
            status, code, message = refused.args
            self._send(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # what each endpoint answers

    def _repo(self, name: str) -> Repo:
        if name not in self.state.repos:
            raise _Refused(404, "RepoNotFound", "Repository not found")
        return self.state.repos[name]

    def _commit_of(self, repo: Repo, revision: str) -> str:
        sha = repo.at(revision)
        if sha is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    def _writer(self) -> None:
        given = self.headers.get("Authorization", "")
        if given != f"Bearer {TOKEN}":
            raise _Refused(401, "", "Invalid username or password.")

    def whoami(self, body: bytes) -> None:
        self._writer()
        self._send(200, {"name": "me", "type": "user", "orgs": []})

    def create(self, body: bytes) -> None:
        self._writer()
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        answer = {"url": f"{self.state.url}/datasets/{name}", "name": name}
        if name in self.state.repos:
            self._send(409, {**answer, "error": "You already created this dataset repo"})
            return
        if not name.startswith("me/"):
            raise _Refused(403, "", "You don't have the rights to create a dataset under this namespace")
        repo = self.state.repos[name] = Repo("private" in (asked.get("visibility"), asked.get("private") and "private"))
        repo.commit("main", {".gitattributes": File(b"*.parquet filter=lfs\n", False)})
        self._send(200, answer)

    def info(self, body: bytes, repo: str, revision: str = "main") -> None:
        found = self._repo(repo)
        sha = self._commit_of(found, revision)
        siblings = [{"rfilename": path} for path in sorted(found.commits[sha])]
        self._send(
            200,
            {
                "_id": "1",
                "id": repo,
                "sha": sha,
                "private": found.private,
                "siblings": siblings,
                "tags": [],
                "downloads": 0,
            },
        )

    def branch(self, body: bytes, repo: str, branch: str) -> None:
        self._writer()
        found = self._repo(repo)
        if branch in found.refs:
            raise _Refused(409, "", "Reference already exists")
        found.refs[branch] = found.refs["main"]
        self._send(200, {})

    def refs(self, body: bytes, repo: str) -> None:
        found = self._repo(repo)
        branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": sha} for n, sha in found.refs.items()]
        self._send(200, {"branches": branches, "converts": [], "tags": [], "pullRequests": []})

    def preupload(self, body: bytes, repo: str, revision: str) -> None:
        self._writer()
        found = self._repo(repo)
        files = found.commits[self._commit_of(found, revision)]
        answer = []
        for one in json.loads(body)["files"]:
            path = one["path"]
            oid = files[path].etag if path in files else None
            mode = "lfs" if path.endswith(LFS) else "regular"
            answer.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._send(200, {"files": answer})

    def batch(self, body: bytes, repo: str) -> None:
        self._writer()
        self._repo(repo)
        objects = []
        for one in json.loads(body)["objects"]:
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.state.objects:
                header = {"Authorization": self.headers["Authorization"]}
                links = {"upload": f"/lfs/{one['oid']}", "verify": f"/lfs/{one['oid']}/verify"}
                entry["actions"] = {k: {"href": f"{self.state.url}{v}", "header": header} for k, v in links.items()}
            objects.append(entry)
        self._send(200, {"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise _Refused(400, "", "the content has another sha256")
        self.state.objects[oid] = body
        self.state.uploads[oid] += 1
        self.state.on_upload()
        self._send(200, {})

    def verify(self, body: bytes, oid: str) -> None:
        self._send(200 if oid in self.state.objects else 404, {})

    def commit(self, body: bytes, repo: str, revision: str) -> None:
        self._writer()
        found = self._repo(repo)
        lines = [json.loads(line) for line in body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        opens = self.query.get("create_pr") == ["1"]
        base = self._commit_of(found, revision)
        parent = header.get("parentCommit")
        if parent and not opens and parent != base:
            raise _Refused(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(found.commits[base])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                files[value["path"]] = File(self.state.objects[value["oid"]], True)
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        number = 1 + sum(ref.startswith("refs/pr/") for ref in found.refs)
        ref = f"refs/pr/{number}" if opens else revision
        sha = found.commit(ref, files)
        page = f"{self.state.url}/datasets/{repo}"
        answer = {"success": True, "commitOid": sha, "commitUrl": f"{page}/commit/{sha}"}
        self._send(200, answer | ({"pullRequestUrl": f"{page}/discussions/{number}"} if opens else {}))

    def tree(self, body: bytes, repo: str, revision: str, path: str | None = None) -> None:
        found = self._repo(repo)
        files = found.commits[self._commit_of(found, revision)]
        below = f"{path}/" if path else ""
        inside = {name: file for name, file in files.items() if name.startswith(below)}
        if path and not inside:
            raise _Refused(404, "EntryNotFound", f"{path} does not exist")
        entries = {}
        for name, file in sorted(inside.items()):
            parts = name[len(below) :].split("/")
            for depth in range(1, len(parts)):
                folder = below + "/".join(parts[:depth])
                entries[folder] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder}
            entries[name] = file.entry | {"path": name}
        if self.query.get("recursive", ["false"])[0].lower() not in ("true", "1"):
            entries = {name: one for name, one in entries.items() if "/" not in name[len(below) :]}
        self._send(200, list(entries.values()))

    def paths_info(self, body: bytes, repo: str, revision: str) -> None:
        found = self._repo(repo)
        files = found.commits[self._commit_of(found, revision)]
        asked = json.loads(body) if body[:1] == b"{" else parse_qs(body.decode())
        self._send(200, [files[path].entry | {"path": path} for path in asked["paths"] if path in files])

    def resolve(self, body: bytes, repo: str, revision: str, path: str) -> None:
        found = self._repo(repo)
        sha = self._commit_of(found, revision)
        if path not in found.commits[sha]:
            raise _Refused(404, "EntryNotFound", "Entry not found")
        file = found.commits[sha][path]
        headers = {"X-Repo-Commit": sha, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self._send(200, file.content, headers)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(file.content)), len(file.content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(file.content)}"
        self._send(206, file.content[first : last + 1], headers)

    def validate(self, body: bytes) -> None:
        text = json.loads(body)["content"]
        errors = []
        try:
            values = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else {}
            errors = [{"message": f'"{key}" {what}'} for key, what in _mistakes(values)]
        except yaml.YAMLError as problem:
            errors = [{"message": str(problem)}]
        self._send(400 if errors else 200, {"errors": errors, "warnings": []})


_TASKS = {"image-segmentation", "object-detection", "image-classification", "other"}
_SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"}


def _mistakes(values: dict[str, Any]) -> list[tuple[str, str]]:
    """What the Hub's own check of a card's head refuses, as far as its documentation says."""
    from synth.sources.licences import KINDS

    found = [] if values.get("license") in KINDS else [("license", "must be one of the known ids")]
    found += [("task_categories", f"has {one}") for one in values.get("task_categories", []) if one not in _TASKS]
    found += [("size_categories", f"has {one}") for one in values.get("size_categories", []) if one not in _SIZES]
    names = [one.get("config_name") for one in values.get("configs", [])]
    found += [("configs", "has a name twice")] if len(names) != len(set(names)) else []
    found += (
        [("configs", "has several defaults")] if sum(one.get("default", False) for one in values["configs"]) > 1 else []
    )
    if values.get("license") == "other" and "license_name" not in values:
        found.append(("license_name", "is required with license: other"))
    return found


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("GET HEAD", rf"/api/datasets/{_REPO}", _Handler.info),
    ("GET HEAD", rf"/api/datasets/{_REPO}/revision/(?P<revision>.+)", _Handler.info),
    ("GET", rf"/api/datasets/{_REPO}/refs", _Handler.refs),
    ("POST", rf"/api/datasets/{_REPO}/branch/(?P<branch>.+)", _Handler.branch),
    ("POST", rf"/api/datasets/{_REPO}/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", rf"/api/datasets/{_REPO}/commit/(?P<revision>.+)", _Handler.commit),
    ("GET", rf"/api/datasets/{_REPO}/tree/(?P<revision>refs/pr/\d+|[^/]+)(?:/(?P<path>.+))?", _Handler.tree),
    ("POST", rf"/api/datasets/{_REPO}/paths-info/(?P<revision>.+)", _Handler.paths_info),
    ("POST", rf"/datasets/{_REPO}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", _Handler.upload),
    ("POST", "/lfs/(?P<oid>[0-9a-f]{64})/verify", _Handler.verify),
    ("GET HEAD", rf"/datasets/{_REPO}/resolve/(?P<revision>refs/pr/\d+|[^/]+)/(?P<path>.+)", _Handler.resolve),
]
