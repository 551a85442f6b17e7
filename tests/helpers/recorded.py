"""What real servers answered in one cold logon, to be played back, damaged, by servers of the tests' own.

The file is renewed, by a logon on the AD lab, with

    python -m tests.helpers.recorded

Of a connection within TLS it is what the server said inside. The lab's keys and passwords are made anew each time that
it is built: what is encrypted in here opens nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.model.steps import STEPS

FILE = Path(__file__).parents[1] / "data" / "answers.json"
Conversations = Mapping[str, tuple[tuple[bytes, ...], ...]]
"""By protocol (kdc, ldap, cldap, dns, http, postgres): the answers of each connection in order."""


def recorded() -> Conversations:
    """Every conversation that was recorded."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        protocol: tuple(tuple(bytes.fromhex(answer) for answer in one) for one in conversations)
        for protocol, conversations in document.items()
    }


class _Recorder:
    """What a login's sockets hear, by what they are connected to."""

    def __init__(self) -> None:
        self._kept: list[Any] = []  # so that no other object gets its number
        self._heard: dict[int, tuple[str, list[bytearray]]] = {}

    def listen(self, kind: type, send: str, receive: str, protocols: Mapping[int, str]) -> None:
        """Note what objects of this kind receive: an answer begins with each thing that is sent."""
        sending: Callable[..., Any] = getattr(kind, send)
        receiving: Callable[..., Any] = getattr(kind, receive)

        def noted_send(this: Any, data: bytes) -> Any:
            if id(this) not in self._heard:
                self._kept.append(this)
                inner = getattr(this, "_stream", this)
                self._heard[id(this)] = protocols.get(inner._socket.getpeername()[1], ""), []
                if inner is not this:  # what is said within TLS counts, and not its records
                    self._heard[id(inner)] = "", []
            answers = self._heard[id(this)][1]
            if not answers or answers[-1]:
                answers.append(bytearray())
            return sending(this, data)

        def noted_receive(this: Any, *limits: Any) -> bytes:
            data: bytes = receiving(this, *limits)
            if id(this) in self._heard:
                self._heard[id(this)][1][-1].extend(data)
            return data

        setattr(kind, send, noted_send)
        setattr(kind, receive, noted_receive)

    def document(self) -> dict[str, list[list[str]]]:
        """The conversations as the file has them."""
        found: dict[str, list[list[str]]] = {}
        for protocol, answers in self._heard.values():
            if protocol and any(answers):
                found.setdefault(protocol, []).append([bytes(answer).hex() for answer in answers if answer])
        return found


def main() -> None:
    """Log on, and write down what was answered."""
    from harness.lab.ad import region
    from harness.lab.ad.domain import AdLab
    from harness.lab.ad.settings import PORTS
    from harness.login.net.streams import Datagrams, Stream
    from harness.login.net.tls import TlsStream
    from tests.helpers.logons_ad import COLD_LOGON, FRONT_TO_DATABASE, USER, client

    streams = {PORTS[name]: name for name in ("kdc", "ldap", "http", "postgres")} | {PORTS["ldaps"]: "ldap"}
    datagrams = {PORTS["dns"]: "dns", PORTS["ldap"]: "cldap"}
    recorder = _Recorder()
    with AdLab(arms=("baseline",)) as lab, tempfile.TemporaryDirectory() as folder:
        target = dict(lab.arms["baseline"].target)
        steps = list(dict.fromkeys([*COLD_LOGON.steps, "ldap_rootdse", "http_negotiate", "ehr_query"]))
        clinician = client(target, Path(folder), steps=sorted(steps, key=list(STEPS).index))
        cohort = {"share": 1, "cache": "cold", "accounts": "services", "steps": FRONT_TO_DATABASE}
        everyone = {"population": {"users": 1}, "steps": (), "cohorts": {"components": cohort}}
        component = client(target, Path(folder), users=[region.COMPONENTS[0]], **everyone)
        recorder.listen(TlsStream, "sendall", "more", streams)
        recorder.listen(Stream, "sendall", "more", streams)
        recorder.listen(Datagrams, "send", "recv", datagrams)
        for result in (clinician.login(USER, "cold"), component.login(region.COMPONENTS[0], "components")):
            assert result.outcome.status == "ok", result.outcome
    document = recorder.document()
    FILE.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for protocol, conversations in sorted(document.items()):
        print(protocol, [[len(answer) // 2 for answer in answers] for answers in conversations])


if __name__ == "__main__":
    main()
