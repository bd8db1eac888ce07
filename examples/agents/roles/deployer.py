"""The deployer: files become a release directory, whole or not at all, and `current` points to it.

    $DEPLOY_DIR/<name>/releases/<version>/…   never changed once it is there
    $DEPLOY_DIR/<name>/current → releases/<version>
    $DEPLOY_DIR/<name>/history.jsonl          who pointed it where, and when

It goes well: the files are written and synced beside, the directory is renamed into its place, the link is replaced by a
rename, old releases beyond `keep` are removed (never the current one, nor the one before). A task may run twice: the same version with the same files is
found there, and nothing changes. It fails: an error leaves `current` as it was; a version that is there with other files is
refused. Rollback points `current` to the release before, or to the version that is named. With a model the change is
assessed first, and held where the model says no.
"""
import base64
import binascii
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from frames import Never
from roles.base import Role, json_in

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
FILES_MAX = 1000
KEEP = 5


def contents_of(files):
    """{path: bytes}; Never for a path that leads elsewhere or what is no file."""
    out = {}
    for path, value in files.items():
        parts = path.split("/")
        if not path or "\0" in path or path.startswith("/") or any(p in ("", ".", "..") for p in parts):
            raise Never(f"files: \"{path}\" is no path below the release")
        if isinstance(value, str):
            out[path] = value.encode()
        elif isinstance(value, dict) and isinstance(value.get("base64"), str):
            try:
                out[path] = base64.b64decode(value["base64"], validate=True)
            except (binascii.Error, ValueError) as e:
                raise Never(f"files: {path}: {e}") from e
        else:
            raise Never(f"files: {path} is neither a text nor {{\"base64\": \"…\"}}")
    for path in out:
        for k in range(1, path.count("/") + 1):
            if "/".join(path.split("/")[:k]) in out:
                raise Never(f"files: {path} is below another file")
    return out


def digest_of(contents):
    h = hashlib.sha256()
    for path in sorted(contents):
        h.update(f"{len(path.encode())}:{path}{len(contents[path])}:".encode() + contents[path])
    return h.hexdigest()


def sync(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Site:
    """One name below DEPLOY_DIR."""

    def __init__(self, base, name):
        self.dir = Path(base, name)
        self.releases = self.dir / "releases"
        self.releases.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self):
        """One deployer at a time: others may have a task for the same name."""
        with open(self.dir / ".lock", "w") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield

    def current(self):
        try:
            return os.path.basename(os.readlink(self.dir / "current"))
        except FileNotFoundError:
            return None

    def history(self):
        try:
            lines = (self.dir / "history.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue  # cut off by a crash
        return entries

    def digest(self, version):
        root = self.releases / version
        if not root.is_dir():
            return None
        return digest_of({str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()})

    def write(self, version, contents):
        staging = Path(tempfile.mkdtemp(prefix=".new-", dir=self.releases))
        try:
            for path, data in contents.items():
                target = staging / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as f:
                    f.write(data)
                    f.flush()
                    os.fsync(f.fileno())
            for directory in [staging, *(p for p in staging.rglob("*") if p.is_dir())]:
                sync(directory)
            staging.chmod(0o755)
            os.rename(staging, self.releases / version)
            sync(self.releases)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def point(self, version, why, task):
        link = self.dir / f".current-{os.getpid()}"
        link.unlink(missing_ok=True)
        os.symlink(f"releases/{version}", link)
        before = self.current()
        os.replace(link, self.dir / "current")
        sync(self.dir)
        entry = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "version": version, "before": before, "why": why, "task": task.id}
        with open(self.dir / "history.jsonl", "a") as f:
            f.write(json.dumps(entry) + "\n")

    def before(self):
        """What the current release replaced and is still there."""
        current = self.current()
        for entry in reversed(self.history()):
            if entry.get("version") == current and entry.get("before") and (self.releases / entry["before"]).is_dir():
                return entry["before"]
        return None

    def prune(self, keep):
        """Removes the oldest beyond keep, and what a deployer that was killed left half-written."""
        stay = {self.current(), self.before()}
        for p in self.releases.glob(".new-*"):
            shutil.rmtree(p, ignore_errors=True)
        all_of = sorted((p for p in self.releases.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime_ns, reverse=True)
        removed = [p.name for p in all_of[keep:] if p.name not in stay]
        for name in removed:
            shutil.rmtree(self.releases / name, ignore_errors=True)
        return removed

    def report(self, **more):
        return {"name": self.dir.name, "path": str(self.dir / "current"), "version": self.current(), "previous": self.before(),
                "releases": sorted(p.name for p in self.releases.iterdir() if p.is_dir() and not p.name.startswith(".")), **more}


class Deployer(Role):
    name = "deployer"
    wants = ("{\"name\": \"site\", \"version\": \"1.2\", \"files\": {\"index.html\": \"…\"}}, or {\"name\": \"site\", \"rollback\": true}, "
             "or {\"name\": \"site\", \"status\": true}")
    system = (
        "You are a deployer: you decide whether a release goes out, and you write what its users should know. You are given what is "
        "running now and what would replace it. Hold what is plainly broken or unsafe (cut off files, passwords and keys, "
        "leftovers of a merge, debugging switched on), and nothing for matters of taste. Answer with one JSON object and nothing "
        "else: {\"go\": true, \"risk\": \"low\", \"reason\": \"one sentence\", \"notes\": \"what changes, for users\"}. Risk is "
        "low, medium or high.")

    def check(self, request):
        name = self.text(request, "name", required=True)
        version = request.get("version", request.get("rollback") if isinstance(request.get("rollback"), str) else None)
        for what, value in (("name", name), ("version", version)):
            if value is not None and (not isinstance(value, str) or not NAME.fullmatch(value)):
                raise Never(f"{what} is letters, digits, _, - and inner dots, at most 100")
        files = self.field(request, "files", dict)
        wanted = [w for w in ("files", "rollback", "status") if request.get(w)]
        if len(wanted) != 1:
            raise Never(f"one of files, rollback and status is to be there; the deployer wants {self.wants}")
        if files and len(files) > FILES_MAX:
            raise Never(f"{len(files)} files, {FILES_MAX} is the most")
        if files:
            contents_of(files)
        keep = self.field(request, "keep", (int, float), KEEP)
        if not isinstance(keep, int) or not 1 <= keep <= 1000:
            raise Never("keep is a number from 1 to 1000")

    def site(self, request):
        base = os.environ.get("DEPLOY_DIR", "")
        if not os.path.isabs(base):
            raise RuntimeError("DEPLOY_DIR is not set to an absolute path in the handler's env: there is no place to deploy to")
        return Site(base, request["name"])

    def deploy(self, request, task, **more):
        contents = contents_of(request["files"])
        digest = digest_of(contents)
        version = request.get("version") or digest[:12]
        site = self.site(request)
        with site.locked():
            there = site.digest(version)
            if there is not None and there != digest:
                raise Never(f"version {version} of {request['name']} is there with other files; a release is never changed: name another")
            task.check()
            changed = site.current() != version
            if there is None:
                site.write(version, contents)
            if changed:
                site.point(version, "deploy", task)
            removed = site.prune(request.get("keep") or KEEP)
            return site.report(changed=changed, digest=digest, files=len(contents), removed=removed, **more)

    def rollback(self, request, task):
        site = self.site(request)
        with site.locked():
            # The same task again must not go back further.
            done = next((e for e in reversed(site.history()) if e.get("task") == task.id and e.get("why") == "rollback"), None)
            if done:
                return site.report(changed=False, rolled_back_from=done["before"])
            to = request["rollback"] if isinstance(request["rollback"], str) else site.before()
            if to is None or not (site.releases / to).is_dir():
                raise Never(f"there is no release {to or 'before the current one'} of {request['name']} to go back to")
            was = site.current()
            task.check()
            if to != was:
                site.point(to, "rollback", task)
            return site.report(changed=to != was, rolled_back_from=was)

    def offline(self, request, task):
        if request.get("status"):
            site = self.site(request)
            return site.report(history=site.history()[-20:])
        return self.rollback(request, task) if request.get("rollback") else self.deploy(request, task)

    def online(self, request, task):
        if not request.get("files"):
            return self.offline(request, task)

        def use(text):
            opinion = json_in(text)
            if not isinstance(opinion.get("go"), bool) or opinion.get("risk") not in ("low", "medium", "high"):
                raise ValueError("\"go\" is true or false, \"risk\" is low, medium or high")
            return {"go": opinion["go"], "risk": opinion["risk"], "reason": str(opinion.get("reason", "")),
                    "notes": str(opinion.get("notes", ""))}
        site = self.site(request)
        shown = "\n\n".join(f"--- {path} ({len(data)} bytes)\n{data[:4000].decode('utf-8', 'replace')}"
                            for path, data in sorted(contents_of(request["files"]).items())[:50])
        opinion = self.converse(f"Running now: {request['name']} {site.current() or '(nothing)'}\n"
                                f"To replace it: {request.get('version') or 'a new release'}\n\n{shown}", use, task)
        if not opinion["go"]:
            return site.report(changed=False, held=True, assessment=opinion)
        return self.deploy(request, task, held=False, assessment=opinion)
