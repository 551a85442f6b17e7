"""Stand-ins for CI systems: their environment in a job, and servers that answer as their APIs of comments."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.helpers.pages import ROOT

TOKEN = "token-that-nobody-may-see"


@dataclass
class Comments:
    """What a stand-in's API holds: the text of each comment by its number, and every request that it was sent."""

    texts: dict[int, str] = field(default_factory=dict)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    address: str = ""


def _listed(path: str, texts: Mapping[int, str]) -> Any:
    if "/threads" in path:
        found = [{"id": number, "comments": [{"id": 1, "content": text}]} for number, text in texts.items()]
        return {"value": [{"id": 900, "comments": [], "properties": {}}, *found], "count": len(found) + 1}
    page = int(re.search(r"[?&]page=(\d+)", path)[1])  # type: ignore[index]
    everything = [{"id": number, "body": text} for number, text in texts.items()]
    return everything[100 * (page - 1) : 100 * page]


@contextmanager
def api_of_comments() -> Iterator[Comments]:
    """A server on loopback with the endpoints for comments of GitHub, GitLab and Azure DevOps."""
    held = Comments()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, found: Any, status: int = 200) -> None:
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handled(self) -> None:
            held.asked.append((self.command, self.path, dict(self.headers)))
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
            if self.command == "GET":
                return self.answer(_listed(self.path, held.texts))
            if self.command == "POST":
                number = max(held.texts, default=40) + 1
                first = body["comments"][0] if "comments" in body else body
                held.texts[number] = first.get("content") or first["body"]
                return self.answer({"id": number}, 201)
            found = re.search(r"(?:notes|threads|comments)/(\d+)", self.path)
            assert found is not None
            held.texts[int(found[1])] = body.get("content") or body["body"]
            return self.answer({"id": int(found[1])})

        do_GET = do_POST = do_PATCH = do_PUT = handled  # noqa: N815, the names that http.server asks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    held.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def environment_of(system: str, api: str, folder: Path) -> dict[str, str]:
    """What a job finds in its environment on the system, as its documentation lists it; ``api`` is the stand-in's."""
    if system == "github":
        return {
            "GITHUB_ACTIONS": "true", "GITHUB_API_URL": api, "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "ward/logins", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_RUN_ID": "11",
            "GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_PATH": str(folder / "path"), "RUNNER_TEMP": str(folder / "temp"), "RUNNER_OS": "Linux",
            "GITHUB_TOKEN": TOKEN,
        }  # fmt: skip
    if system == "gitlab":
        return {
            "GITLAB_CI": "true", "CI_API_V4_URL": f"{api}/api/v4", "CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7",
            "CI_JOB_URL": "https://gitlab.example/ward/logins/-/jobs/3", "CI_PROJECT_DIR": str(folder),
            "AUTHGATE_GITLAB_TOKEN": TOKEN,
        }  # fmt: skip
    if system == "azure":
        return {
            "TF_BUILD": "True", "SYSTEM_COLLECTIONURI": f"{api}/ward/", "SYSTEM_TEAMPROJECT": "logins",
            "BUILD_REPOSITORY_ID": "r-1", "SYSTEM_PULLREQUEST_PULLREQUESTID": "7", "BUILD_BUILDID": "12",
            "AGENT_TEMPDIRECTORY": str(folder / "temp"), "SYSTEM_ACCESSTOKEN": TOKEN,
        }  # fmt: skip
    return {}


PYTHON = """#!/bin/sh
# In place of python3 -m venv DIR: an environment whose pip notes what it was asked to install.
[ "$1 $2" = "-m venv" ] || exit 99
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >> "$STAND_IN/pip"\\n' > "$3/bin/pip"
cp "$STAND_IN/authgate" "$3/bin/authgate"
chmod +x "$3/bin/pip" "$3/bin/authgate"
"""
AUTHGATE = """#!/bin/sh
# In place of the load: "gate" leaves the run that the test has put there, and its reports. All else is the command.
echo "$@" >> "$STAND_IN/asked"
case "$1" in
  doctor) exit "${{DOCTOR:-0}}" ;;
  gate) mkdir -p results; cp -r "$STAND_IN/run" "results/$(basename "$(readlink -f "$STAND_IN/run")")"
        exit {code} ;;
  *) exec "{python}" -m harness "$@" ;;
esac
"""


def stand_ins(folder: Path, run: Path) -> dict[str, str]:
    """Programs in place of python3 and authgate, in a folder of their own, and the environment that finds them.

    The run is one that has been judged.
    """
    code = json.loads((run / "verdict.json").read_text(encoding="utf-8"))["exit_code"]
    there = folder / "stand-in"
    there.mkdir()
    for name, text in (("python3", PYTHON), ("authgate", AUTHGATE.format(python=sys.executable, code=code))):
        (there / name).write_text(text)
        (there / name).chmod(0o755)
    (there / "run").symlink_to(run)
    return {"STAND_IN": str(there), "PATH": f"{there}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def step(text: str, folder: Path, environment: Mapping[str, str], shell: Sequence[str]) -> tuple[int, str]:
    """Run a step's text as the system's shell does; its exit code, and what it printed."""
    file = folder / "step.sh"
    file.write_text(text)
    done = subprocess.run(
        [*shell, str(file)], cwd=folder, env={"HOME": str(folder), "LC_ALL": "C.UTF-8", **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
