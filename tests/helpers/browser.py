"""A headless Chromium with a page that tests drive by its DevTools protocol, as a person would by hand."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

PATIENCE_S = 40.0
"""An upper bound on what takes milliseconds, or a test's few seconds; only a hang reaches it."""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--remote-debugging-port=0", "--remote-allow-origins=*")  # fmt: skip
MIDDLE = """e => {
  e.scrollIntoView({block: 'center'});
  const box = e.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""
DRAWN = "new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
"""Fulfilled once a frame is drawn: only then is content that was folded laid out, and pictures chosen by width."""
CHOOSE = """(e, value) => {
  e.value = value;
  for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true}));
}"""


class Page:
    """One page: it is navigated, looked at, clicked, typed into, and photographed."""

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, timeout=PATIENCE_S)
        self._number = 0
        self.requests: list[str] = []
        """Every address that the page has asked for."""
        self.complaints: list[str] = []
        """What its scripts threw, and what its policy refused."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """One command of the protocol, and its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif message.get("method") == "Log.entryAdded" and params["entry"]["source"] == "security":
            self.complaints.append(params["entry"]["text"])

    def go(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def js(self, expression: str) -> Any:
        """The value of an expression; a promise is waited for."""
        got = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def until(self, expression: str, patience_s: float = PATIENCE_S) -> Any:
        """Wait until an expression is true; its value."""
        found = f"(found => found instanceof Node ? true : found)({expression})"
        return eventually(lambda: self._quiet(found), patience_s, lambda: f"{expression}\n{self.text()}")

    def _quiet(self, expression: str) -> Any:
        got = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return None if "exceptionDetails" in got else got["result"].get("value")

    def text(self) -> str:
        """All that a reader sees."""
        return str(self._quiet("document.body ? document.body.innerText : ''"))

    def click(self, selector: str) -> None:
        """Click an element's middle with the mouse."""
        self.until(f"document.querySelector({json.dumps(selector)})")
        x, y = self.js(f"({MIDDLE})(document.querySelector({json.dumps(selector)}))")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def click_text(self, tag: str, text: str) -> None:
        """Click the element of this tag that says exactly this."""
        found = f"[...document.querySelectorAll('{tag}')].find(e => e.textContent.trim() === {json.dumps(text)})"
        self.until(found)
        self.js(f"{found}.setAttribute('data-test-click', '1')")
        self.click("[data-test-click='1']")
        self._quiet("document.querySelector(\"[data-test-click='1']\")?.removeAttribute('data-test-click')")

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a list, or set a field."""
        self.js(f"({CHOOSE})(document.querySelector({json.dumps(selector)}), {json.dumps(value)})")

    def key(self, name: str, code: int, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **more)

    def tab(self) -> str:
        """Press Tab; the id, or the text, of what has the focus then."""
        self.key("Tab", 9)
        return str(self.js("document.activeElement.id || document.activeElement.textContent.trim()"))

    def size(self, width: int, height: int = 1000) -> None:
        """Make the window so wide and high."""
        self._emulate("DeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str, media: str = "") -> None:
        """Ask for ``dark`` or ``light``, on the screen or in another medium, as ``print``."""
        self._emulate("EmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _emulate(self, what: str, **params: Any) -> None:
        self.send(f"Emulation.set{what}", **params)
        self.js(DRAWN)

    def shot(self, path: Path, whole: bool = True) -> Path:
        """A photograph of the page, whole or as its window shows it."""
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def nameless(self) -> list[str]:
        """What a screen reader meets and has no name for: roles of controls, pictures, regions and tables' headings."""
        roles = {"button", "link", "textbox", "combobox", "checkbox", "image", "progressbar", "region", "columnheader",
                 "heading", "Iframe"}  # fmt: skip
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            f"{node['role']['value']} {node.get('properties')}"
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"] in roles
            and not str(node.get("name", {}).get("value", "")).strip()
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.js("document.documentElement.scrollWidth - window.innerWidth"))


def eventually(true: Callable[[], Any], patience_s: float, otherwise: Callable[[], str]) -> Any:
    """Wait until it is true; AssertionError where it doesn't become so."""
    deadline = time.monotonic() + patience_s
    while not (found := true()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)
    return found


class Browser:
    """A running browser, as its DevTools protocol has it."""

    def __init__(self, port: str, path: str, language: str) -> None:
        self._port, self._language = port, language
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=PATIENCE_S)

    def _tell(self, method: str, **params: str) -> dict[str, str]:
        self._socket.send(json.dumps({"id": 1, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv())).get("id") != 1:
            pass
        found: dict[str, str] = answer["result"]
        return found

    @contextmanager
    def session(self) -> Iterator[Callable[[], Page]]:
        """Gives pages, which share cookies and storage with each other and with no other session's."""
        context = self._tell("Target.createBrowserContext")["browserContextId"]

        def page() -> Page:
            target = self._tell("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
            made = Page(f"ws://127.0.0.1:{self._port}/devtools/page/{target}")
            made.send("Emulation.setLocaleOverride", locale=self._language.replace("-", "_"))
            made.size(1200)
            return made

        yield page
        self._tell("Target.disposeBrowserContext", browserContextId=context)


@contextmanager
def browser(chromium: str, folder: Path, language: str = "en-GB") -> Iterator[Browser]:
    """A browser with a profile of its own."""
    profile = folder / f"profile-{language}"
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", f"--lang={language}", f"--accept-lang={language}"]
    process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    port_file = profile / "DevToolsActivePort"
    try:
        eventually(lambda: port_file.exists() and port_file.read_text().count("\n"), PATIENCE_S, lambda: "no chromium")
        yield Browser(*port_file.read_text().split("\n")[:2], language)
    finally:
        process.kill()
        process.wait()
