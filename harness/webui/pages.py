"""The pages beside Locust's own: a form that says what is wrong, and a bar that says what a test is doing."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, request, send_from_directory
from werkzeug.datastructures import ImmutableMultiDict

from harness.errors import CredentialError
from harness.load.asked import Asked, AskedError, asked_of
from harness.model.exit_codes import USAGE_ERROR
from harness.model.target import ARMS
from harness.webui.choices import scenario_choices, target_choices
from harness.webui.files import STATIC, own_page
from harness.webui.gate import GatePages
from harness.webui.host import GateHost
from harness.webui.safety import protect
from harness.webui.timespan import seconds_of

log = logging.getLogger(__name__)

UNDER_WAY = "a test is under way, and its plan does not change while it runs: stop it first"
BEGINS_WITHIN_S = 5.0
NO_WORKERS = "workers: expected one or more (locust --worker with this locustfile), got none"
GATE_UNDER_WAY = "a gate is under way, which a test besides would disturb: stop it first, or wait for its end"
RUN_TIME = 'run time: expected nothing (the plan\'s own length) or a time such as 90, 90s, 3m or 1h20m, got "{}"'


def serve(environment: Any, gate_first: bool = False) -> None:
    """Guard Locust's web server and add the pages; a password that is needed and missing ends the process with 2.

    ``gate_first``: whoever opens the server sees the gate's page, and else the form of a plain test.
    """
    options, web_ui = environment.parsed_options, environment.web_ui
    try:
        tls = bool(options.tls_cert and options.tls_key)
        protect(web_ui, options.web_host, bool(options.web_login), options.web_password_file, tls)
    except CredentialError as error:
        log.error("%s", error)
        sys.exit(USAGE_ERROR)
    gate = GatePages(environment)
    plain = PlainPages(environment, gate.host, gate_first)
    web_ui.app.before_request(plain.before)
    web_ui.app.after_request(plain.after)
    prefix = options.web_base_path or ""
    for pages in (plain, gate):
        web_ui.app.register_blueprint(pages.blueprint(prefix))
    own, update = web_ui.template_args, web_ui.update_template_args

    def with_the_test_s_own_values() -> None:
        update()
        web_ui.template_args = {**web_ui.template_args, **plain.template_args(web_ui.template_args)}

    web_ui.template_args, web_ui.update_template_args = own, with_the_test_s_own_values


class PlainPages:
    """The form of a plain test, its state, and what is changed in Locust's own answers."""

    def __init__(self, environment: Any, host: GateHost, gate_first: bool) -> None:
        self._host = host
        self._environment = environment
        self._first = "gate" if gate_first else "start"
        self._director = environment.authgate_director
        self._told = ""
        self._given = str(environment.parsed_options.targets)

    def blueprint(self, prefix: str) -> Blueprint:
        """The routes of these pages."""
        routes = Blueprint("authgate", __name__, url_prefix=prefix or None)
        guarded = self._environment.web_ui.auth_required_if_enabled

        @routes.route("/start")
        @guarded  # type: ignore[untyped-decorator]
        def start() -> Response:
            return own_page("start.html")

        @routes.route("/authgate/state")
        @guarded  # type: ignore[untyped-decorator]
        def state() -> Response:
            return jsonify({**self._director.progress.as_json(), "locust": self._environment.runner.state})

        @routes.route("/authgate/choices")
        @guarded  # type: ignore[untyped-decorator]
        def choices() -> Response:
            options = self._environment.parsed_options
            return jsonify(
                {
                    "scenarios": scenario_choices(),
                    "targets": target_choices([self._given]),
                    "arms": ARMS,
                    "now": {name: str(getattr(options, name)) for name in ("scenario", "targets", "arm", "seats")},
                    "workers": getattr(self._environment.runner, "worker_count", 1),
                }
            )

        @routes.route("/authgate/static/<path:name>")
        def static(name: str) -> Response:
            return send_from_directory(STATIC, name)

        return routes

    def before(self) -> Any:
        """Answer instead of Locust where it would say or do something else than what is, to whom it would answer."""
        guarded = self._environment.web_ui.auth_required_if_enabled
        if request.endpoint == "locust.swarm":
            return guarded(self._swarm)()
        if request.endpoint == "locust.request_stats":
            self._forget_old_state()
        director = self._director
        begins = director.progress.under_way or director.asked is not None
        fresh = self._environment.runner.state == "ready" and not begins
        if request.endpoint == "locust.index" and fresh:
            return guarded(lambda: redirect(self._first))()
        return None

    def _swarm(self) -> Any:
        """Check the form before anything begins; None where Locust is to start the test that it asks for."""
        if self._director.progress.under_way or self._environment.runner.state in ("spawning", "running"):
            return jsonify({"success": False, "message": UNDER_WAY, "fields": {}})
        if self._host.busy:
            return jsonify({"success": False, "message": GATE_UNDER_WAY, "fields": {}})
        if getattr(self._environment.runner, "worker_count", 1) < 1:
            return jsonify({"success": False, "message": NO_WORKERS, "fields": {}})
        try:
            asked, seconds = self._asked()
        except AskedError as error:
            return jsonify({"success": False, "message": str(error), "fields": error.fields})
        self._director.asked, self._environment.host = asked, asked.title
        form = {"scenario": request.form.get("scenario", ""), "targets": asked.targets.source, "arm": asked.arm}
        form |= {"seats": str(asked.seats), "user_count": str(asked.seats), "spawn_rate": str(asked.seats)}
        if seconds:
            form["run_time"] = str(seconds)
        request.form = ImmutableMultiDict(form)
        return None

    def _asked(self) -> tuple[Asked, int | None]:
        wrong: dict[str, str] = {}
        given = request.form.get("run_time", "").strip()
        seconds = seconds_of(given) if given else None
        if given and not seconds:
            wrong["run_time"] = RUN_TIME.format(given[:40])
        fields = request.form.to_dict()
        if "seats" not in fields:  # Locust's own form, which counts in users
            fields["seats"] = fields.get("user_count", "")
        try:
            asked = asked_of({"results": self._environment.parsed_options.results, **fields})
        except AskedError as error:
            raise AskedError({**error.fields, **wrong}) from None
        if wrong:
            raise AskedError(wrong)
        return asked, seconds

    def _forget_old_state(self) -> None:
        """Locust keeps this answer for 2 s, and its page stops asking once it has read that a test is stopped."""
        if (state := self._environment.runner.state) != self._told:
            self._told = state
            self._environment.web_ui.app.view_functions["locust.request_stats"].clear_cache()

    def after(self, response: Response) -> Response:
        """Add the bar to Locust's page, and say that a test has begun when it has."""
        if request.endpoint == "locust.swarm":
            deadline = time.monotonic() + BEGINS_WITHIN_S
            while self._director.asked is not None and time.monotonic() < deadline:
                time.sleep(0.01)
        if request.endpoint == "locust.index" and response.mimetype == "text/html" and response.status_code == 200:
            script = '<script src="authgate/static/bar.js" defer></script></body>'
            response.set_data(response.get_data(as_text=True).replace("</body>", script))
        return response

    def template_args(self, now: dict[str, Any]) -> dict[str, Any]:
        """What Locust's own form and header are to show: the values of this very test."""
        options = vars(self._environment.parsed_options)
        extra = {
            name: {**field, "default_value": options.get(name, field["default_value"])}
            for name, field in (now.get("extra_options") or {}).items()
        }
        return {"extra_options": extra, "missing_host_warning": False, "num_users": options.get("num_users")}
