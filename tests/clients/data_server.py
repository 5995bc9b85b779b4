"""A server over a data repository of its own, with a remote to which changes are pushed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

RELOAD, OPERATOR = "the-reload-secret-of-the-tests", "the-operator-secret-of-the-tests"
NDJSON = {"Accept": "application/x-ndjson"}


class DataServer:
    """A remote, a clone that pushes to it, and a server that follows it. A restart keeps the address."""

    def __init__(self, binary: str, files: dict[str, str], settings: list[str] = []) -> None:
        self.binary = Path(binary).resolve()
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="headwater-clients-"))
        self.work = self.folder / "work"
        self._git(self.folder, "init", "--quiet", "--bare", "--initial-branch", "main", "remote.git")
        self._git(self.folder, "clone", "--quiet", "remote.git", "work")
        self.push(files)
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> DataServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGKILL)
        # The push that a killed server began still adds and removes files in the remote.
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the server and waits until it has records."""
        arguments = [self.binary, "serve", "--repo", self.folder / "data.git", "--log", "error"]
        arguments += ["--remote", self.folder / "remote.git", "--listen", f"127.0.0.1:{self.port}"]
        arguments += ["--poll-interval", "0", "--shutdown-timeout", "1", *self.settings]
        secrets = {"HEADWATER_RELOAD_SECRET": RELOAD, "HEADWATER_OPERATOR_SECRET": OPERATOR}
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")
        }
        self.process = subprocess.Popen(
            arguments, env={**environment, **secrets}, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        else:
            raise RuntimeError(f"the server ended with {self.process.wait()}")
        # Nobody else reads what it prints later.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        while self.ask("/health/ready", raises=False)[0] != 200:
            time.sleep(0.02)

    def stop(self, how: signal.Signals) -> None:
        """Ends the server."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def push(self, files: dict[str, str | None], back: int = 0) -> str:
        """Pushes a commit that writes these files, and deletes those without a text. With `back`, it
        takes the place of so many others."""
        if back > 0:
            self._git(self.work, "reset", "--quiet", "--hard", f"HEAD~{back}")
        for path, text in files.items():
            file = self.work / path
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        self._git(self.work, "add", "--all")
        self._git(self.work, "commit", "--quiet", "--allow-empty", "--message", "a push")
        self._git(self.work, "push", "--quiet", *(["--force"] if back > 0 else []), "origin", "main")
        return self.head()

    def head(self) -> str:
        return self._git(self.work, "rev-parse", "HEAD").strip()

    def reload(self) -> None:
        """Has what was pushed published, whatever it does to the history."""
        status, body, _ = self.call("reload-data", RELOAD, raises=False)
        if status == 409:
            self.call(f"reloads/{body['heldId']}/apply", OPERATOR)
        elif status != 200:
            raise RuntimeError(f"{status}: {body}")

    def pin(self, commit: str) -> None:
        self.call("pin", OPERATOR, {"commit": commit})

    def unpin(self) -> None:
        self.call("unpin", OPERATOR)

    def call(self, route: str, secret: str, body: object = None, raises: bool = True):
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        return self.ask(f"/api/_internal/{route}", headers, json.dumps(body or {}), raises)

    def lines(self, path: str) -> tuple[str, list[dict]]:
        """Returns the commit and the records of a list."""
        _, text, commit = self.ask(path, NDJSON)
        return commit, [json.loads(line) for line in text.split("\n") if line]

    def ask(self, path: str, headers: dict = {}, body: str | None = None, raises: bool = True):
        """Returns the status, the body and the commit of an answer."""
        data = None if body is None else body.encode()
        request = urllib.request.Request(f"{self.address}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, text, fields = response.status, response.read().decode(), response.headers
        except urllib.error.HTTPError as error:
            if raises:
                raise RuntimeError(f"{path}: {error.read().decode()}") from error
            status, text, fields = error.code, error.read().decode(), error.headers
        is_json = "json" in fields.get("Content-Type", "") and "ndjson" not in fields["Content-Type"]
        return status, json.loads(text) if is_json else text, fields.get("X-Headwater-Commit")

    @staticmethod
    def _git(folder: Path, *arguments: str) -> str:
        who = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org"]
        quick = ["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.fsync=none"]
        done = subprocess.run(
            ["git", *who, *quick, *arguments], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout
