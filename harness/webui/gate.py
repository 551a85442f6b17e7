"""The gate's page on Locust's web server: a form, a run that shows itself while it goes on, and the reports of all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request, send_from_directory, stream_with_context

from harness.config import shipped
from harness.errors import RunError
from harness.load.asked import AskedError
from harness.report.language import Language, language_of
from harness.webui.choices import scenario_choices, target_choices
from harness.webui.files import own_page
from harness.webui.host import REPORTS, GateHost

EVENT_EVERY_S = 1.0
ALIVE_EVERY = 10
"""So many events that say nothing new are left out before one says that the server is still there."""


class GatePages:
    """The routes below /gate."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self.host = GateHost(Path(environment.parsed_options.results))
        environment.events.quitting.add_listener(lambda **_: self.host.close())

    def blueprint(self, prefix: str) -> Blueprint:
        """The routes; what they change is guarded as Locust's own routes are (harness.webui.safety)."""
        routes = Blueprint("authgate_gate", __name__, url_prefix=prefix or None)
        guarded = self._environment.web_ui.auth_required_if_enabled

        @routes.route("/gate")
        @guarded  # type: ignore[untyped-decorator]
        def page() -> Response:
            return own_page("gate.html")

        @routes.route("/gate/choices")
        @guarded  # type: ignore[untyped-decorator]
        def choices() -> Response:
            return jsonify(self._choices())

        @routes.route("/gate/runs")
        @guarded  # type: ignore[untyped-decorator]
        def runs() -> Response:
            return jsonify(self.host.runs(_language()))

        @routes.route("/gate/start", methods=["POST"])
        @guarded  # type: ignore[untyped-decorator]
        def start() -> Response:
            return self._start()

        @routes.route("/gate/stop", methods=["POST"])
        @guarded  # type: ignore[untyped-decorator]
        def stop() -> Response:
            try:
                self.host.stop(request.form.get("run_id", ""))
            except RunError as error:
                return jsonify({"success": False, "message": str(error)})
            return jsonify({"success": True})

        @routes.route("/gate/events")
        @guarded  # type: ignore[untyped-decorator]
        def events() -> Response:
            answer = Response(stream_with_context(self._events(_language())), mimetype="text/event-stream")
            answer.headers["Cache-Control"] = "no-store"
            return answer

        @routes.route("/gate/runs/<run_id>/<name>")
        @guarded  # type: ignore[untyped-decorator]
        def file(run_id: str, name: str) -> Response:
            if name not in REPORTS or not self.host.has(run_id):
                abort(404)
            inline = name in ("report.html", "report.png")
            folder = (self.host.results / run_id).resolve()
            answer = send_from_directory(folder, name, as_attachment=not inline, download_name=f"{run_id}-{name}")
            if name == "report.html":
                # It has a policy of its own and runs no script; here it may be shown within this server's pages.
                answer.headers["Content-Security-Policy"] = (
                    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
                )
            answer.headers["Cache-Control"] = "no-store"
            return answer

        return routes

    def _choices(self) -> dict[str, Any]:
        options = self._environment.parsed_options
        return {
            "scenarios": scenario_choices(),
            "targets": [found for found in target_choices([str(options.targets)]) if len(found["arms"]) > 1],
            "policies": sorted(path.stem for path in shipped.POLICIES.glob("*.yaml")),
            "updates": [
                {"name": update.name, "title": update.title, "lab": update.fault.lab} for update in shipped.updates()
            ],
            "now": {"scenario": str(options.scenario), "targets": str(options.targets), "policy": "default"},
        }

    def _start(self) -> Response:
        if self._environment.authgate_director.progress.under_way:
            message = "a test of one arm is under way, which a gate would disturb: stop it first"
            return jsonify({"success": False, "message": message, "fields": {}})
        try:
            self.host.start(request.form.to_dict())
        except AskedError as error:
            return jsonify({"success": False, "message": str(error), "fields": error.fields})
        except RunError as error:
            return jsonify({"success": False, "message": str(error), "fields": {}})
        return jsonify({"success": True})

    def _events(self, say: Language) -> Iterator[str]:
        """Server-sent events (HTML standard, 9.2): the state whenever it has changed, once a second at most."""
        said, silent = "", 0
        while True:
            text = self.host.text(say)
            silent += 1
            if text != said:
                said, silent = text, 0
                yield f"data: {text}\n\n"
            elif silent >= ALIVE_EVERY:
                silent = 0
                yield ": alive\n\n"
            time.sleep(EVENT_EVERY_S)


def _language() -> Language:
    """The language that a page asks for."""
    return language_of(request.args.get("lang", ""))
