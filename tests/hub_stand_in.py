"""A small Hub on this machine: as much of the Hub's HTTP interface as pushing and loading a model takes."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import yaml


class Blob(NamedTuple):
    """A file of a commit."""

    content: bytes
    lfs: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """Name of the blob in git."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()


@dataclass
class Repository:
    """Commits by hash, and what branches and pull requests point to."""

    private: bool = False
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, Blob], revision: str = "main") -> str:
        """Put `files` over what `revision` has."""
        parent = self.refs.get(revision, self.refs.get("main", ""))
        oid = hashlib.sha1(f"{len(self.commits)} {parent} {sorted(files)}".encode()).hexdigest()
        self.commits[oid] = {**self.commits.get(parent, {}), **files}
        self.refs[revision] = oid
        return oid

    def files(self, revision: str = "main") -> dict[str, Blob]:
        return self.commits[self.refs.get(revision, revision)]


class RefusedError(Exception):
    """An error answer of the Hub."""

    def __init__(self, status: int, message: str, code: str = "", **headers: str):
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **headers}


class HubStandIn:
    """The state of the stand-in, its address, and switches that break it.

    Args:
        tokens (`dict[str, str]`): User of each valid token. Users write in their own namespace only.
    """

    def __init__(self, tokens: dict[str, str]):
        self.tokens = tokens
        self.repositories: dict[str, Repository] = {}
        self.large_files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failures: list[tuple[str, int]] = []
        self.spoilt_uploads: list[str] = []
        self.meanwhile: list[Callable[[], object]] = []  # each is called once, after a file was asked for
        self.url = self.storage_url = ""

    def fail(self, path: str, times: int = 1, status: int = 503) -> None:
        """Answer the next `times` requests whose path contains `path` with a server error."""
        self.failures += [(path, status)] * times

    def spoil_upload(self, how: str) -> None:
        """Break the next upload of a large file: `"cut"` the connection, or store a `"damaged"` file."""
        self.spoilt_uploads.append(how)

    @contextmanager
    def serving(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.storage_url = f"http://localhost:{server.server_port}"  # another host, as the Hub's storage is
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubStandIn

    def log_message(self, *args) -> None:
        """The test's output stays readable."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        self.query = parse_qs(url.query)
        self.hub.requests.append(f"{self.command} {url.path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            for failure in self.hub.failures:
                if failure[0] in url.path:
                    self.hub.failures.remove(failure)
                    raise RefusedError(failure[1], "The stand-in was told to fail.")
            self._route(parts)
        except RefusedError as refusal:
            self._send(json.dumps({"error": str(refusal)}).encode(), refusal.status, **refusal.headers)

    def _route(self, parts: list[str]) -> None:
        match [self.command, *parts]:
            case ["GET", "api", "whoami-v2"]:
                self._json({"type": "user", "name": self._user(required=True), "orgs": []})
            case ["POST", "api", "repos", "create"]:
                self._create()
            case ["POST", "api", "validate-yaml"]:
                self._validate_card(json.loads(self.body)["content"])
            case ["GET", "api", "models", owner, name]:
                self._info(f"{owner}/{name}", "main")
            case ["GET", "api", "models", owner, name, "revision", revision]:
                self._info(f"{owner}/{name}", revision)
            case ["GET", "api", "models", owner, name, "tree", revision, *_]:
                self._tree(f"{owner}/{name}", revision)
            case ["POST", "api", "models", owner, name, "branch", branch]:
                self._branch(self._writable(f"{owner}/{name}"), branch)
            case ["POST", "api", "models", owner, name, "preupload", revision]:
                self._preupload(self._writable(f"{owner}/{name}"), revision)
            case ["POST", "api", "models", owner, name, "commit", revision]:
                self._commit(f"{owner}/{name}", self._writable(f"{owner}/{name}"), revision)
            case ["POST", owner, name, "info", "lfs", "objects", "batch"]:
                self._large_files(owner, name.removesuffix(".git"))
            case ["POST", owner, name, "info", "lfs", "verify"]:
                self._verify(self._writable(f"{owner}/{name.removesuffix('.git')}"))
            case ["PUT", "large-files", oid]:
                self._store(oid)
            case ["GET", "large-files", oid]:
                self._load(oid)
            case ["HEAD" | "GET", owner, name, "resolve", revision, *path]:
                self._resolve(f"{owner}/{name}", revision, "/".join(path))
            case _:
                raise RefusedError(404, f"No such page: {self.command} {self.path}")

    # Who may do what

    def _user(self, required: bool = False) -> str | None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given not in self.hub.tokens:
            raise RefusedError(401, "Invalid credentials in Authorization header")
        if required and not given:
            raise RefusedError(401, "Invalid username or password.")
        return self.hub.tokens.get(given)

    def _readable(self, repo_id: str) -> Repository:
        user, repository = self._user(), self.hub.repositories.get(repo_id)
        if repository is None or (repository.private and user != repo_id.split("/")[0]):
            # As on the Hub: nobody learns from the answer whether there is a private repository of this name.
            if user is None:
                raise RefusedError(401, "Invalid username or password.")
            raise RefusedError(404, "Repository not found", "RepoNotFound")
        return repository

    def _writable(self, repo_id: str) -> Repository:
        user, repository = self._user(required=True), self._readable(repo_id)
        if user != repo_id.split("/")[0]:
            raise RefusedError(403, "You don't have the rights to write there")
        return repository

    def _revision(self, repo_id: str, revision: str) -> tuple[str, dict[str, Blob]]:
        repository = self._readable(repo_id)
        oid = repository.refs.get(revision, revision)
        if oid not in repository.commits:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid, repository.commits[oid]

    # Reading

    def _info(self, repo_id: str, revision: str) -> None:
        oid, files = self._revision(repo_id, revision)
        siblings = [{"rfilename": path} for path in files]
        private = self.hub.repositories[repo_id].private
        self._json({"id": repo_id, "sha": oid, "private": private, "tags": [], "siblings": siblings})

    def _tree(self, repo_id: str, revision: str) -> None:
        _, files = self._revision(repo_id, revision)
        tree = []
        for path, blob in files.items():
            entry = {"type": "file", "path": path, "oid": blob.oid, "size": len(blob.content)}
            if blob.lfs:
                entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
            tree.append(entry)
        self._json(tree)

    def _resolve(self, repo_id: str, revision: str, path: str) -> None:
        oid, files = self._revision(repo_id, revision)
        if path not in files:
            raise RefusedError(404, f"{path} does not exist", "EntryNotFound", **{"X-Repo-Commit": oid})
        while self.hub.meanwhile:
            self.hub.meanwhile.pop()()
        blob = files[path]
        if not blob.lfs:
            self._send(blob.content, **{"X-Repo-Commit": oid, "ETag": f'"{blob.oid}"'})
            return
        linked = {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.content))}
        place = f"{self.hub.storage_url}/large-files/{blob.sha256}"
        self._send(b"", 302, **{"X-Repo-Commit": oid, "Location": place, **linked})

    def _load(self, oid: str) -> None:
        if "Authorization" in self.headers:
            raise RefusedError(400, "Only one auth mechanism allowed: a token does not belong at the storage's host")
        self._send(self.hub.large_files[oid], ETag=f'"{oid}"')

    # Writing

    def _create(self) -> None:
        user, wanted = self._user(required=True), json.loads(self.body)
        owner = wanted.get("organization") or user
        if owner != user:
            raise RefusedError(403, "You don't have the rights to create a model under this namespace")
        repo_id = f"{owner}/{wanted['name']}"
        exists = repo_id in self.hub.repositories
        if not exists:
            private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
            repository = self.hub.repositories[repo_id] = Repository(private)
            repository.commit({".gitattributes": Blob(b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n")})
        self._json({"url": f"{self.hub.url}/{repo_id}", "name": repo_id}, 409 if exists else 200)

    def _validate_card(self, text: str) -> None:
        self._user(required=True)
        try:
            metadata = yaml.safe_load(text.split("---\n")[1])
            errors = [] if {"license", "language"} <= metadata.keys() else [{"message": "license or language missing"}]
        except (IndexError, AttributeError, yaml.YAMLError) as error:
            errors = [{"message": str(error)}]
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _branch(self, repository: Repository, branch: str) -> None:
        exists = branch in repository.refs
        repository.refs.setdefault(branch, repository.refs["main"])
        self._json({"error": "Reference already exists"} if exists else {}, 409 if exists else 201)

    def _preupload(self, repository: Repository, revision: str) -> None:
        present, answer = repository.files(revision), []
        for file in json.loads(self.body)["files"]:
            mode = "lfs" if file["path"].endswith(".safetensors") else "regular"
            blob = present.get(file["path"])
            oid = None if blob is None else blob.sha256 if blob.lfs else blob.oid
            answer.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._json({"files": answer})

    def _large_files(self, owner: str, name: str) -> None:
        self._writable(f"{owner}/{name}")
        answer = []
        for wanted in json.loads(self.body)["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.large_files:
                upload = {"href": f"{self.hub.url}/large-files/{wanted['oid']}"}
                verify = {"href": f"{self.hub.url}/{owner}/{name}.git/info/lfs/verify"}
                entry["actions"] = {"upload": upload, "verify": verify}
            answer.append(entry)
        self._json({"transfer": "basic", "objects": answer})

    def _store(self, oid: str) -> None:
        how = self.hub.spoilt_uploads.pop() if self.hub.spoilt_uploads else ""
        if how == "cut":
            self.close_connection = True
            return
        self.hub.large_files[oid] = self.body[:-1] if how == "damaged" else self.body
        self._send(b"")

    def _verify(self, repository: Repository) -> None:
        wanted = json.loads(self.body)
        stored = self.hub.large_files[wanted["oid"]]
        if hashlib.sha256(stored).hexdigest() != wanted["oid"]:
            del self.hub.large_files[wanted["oid"]]
            raise RefusedError(422, "The uploaded file does not have the announced SHA-256")
        self._json({})

    def _commit(self, repo_id: str, repository: Repository, revision: str) -> None:
        files = {}
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.large_files:
                    raise RefusedError(400, f"The large file {value['path']} was never uploaded")
                files[value["path"]] = Blob(self.hub.large_files[value["oid"]], lfs=True)
        answer = {"pullRequestUrl": None}
        if "create_pr" in self.query:
            revision = "refs/pr/1"
            answer["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/1"
        oid = repository.commit(files, revision)
        self._json({"commitUrl": f"{self.hub.url}/{repo_id}/commit/{oid}", "commitOid": oid, **answer})

    # Answering

    def _json(self, content: object, status: int = 200) -> None:
        self._send(json.dumps(content).encode(), status, **{"Content-Type": "application/json"})

    def _send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
