"""Locust's own sockets, encrypted: who has the key speaks, and nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import CredentialError
from harness.load.wire import Keys, new_key

pytestmark = pytest.mark.slow

SPEAK = """
from gevent import monkey; monkey.patch_all()
import json, sys
import gevent, zmq.green as zmq
from pathlib import Path
from locust.rpc import Message, rpc
from harness.load.wire import Keys, encrypt_locust
right, wrong = (Path(name) for name in sys.argv[1:])
encrypt_locust(right)
server, heard, said = rpc.Server("127.0.0.1", 0), [], []
def listen():
    while True:
        who, message = server.recv_from_client()
        heard.append(who)
        server.send_to_client(Message("answer", message.data, who))
gevent.spawn(listen)
worker = rpc.Client("127.0.0.1", server.port, "worker")
worker.send(Message("hello", {"raw": b"\\xff"}, "worker"))
with gevent.Timeout(10):
    said.append(worker.recv().data["raw"] == b"\\xff")
strangers = {}
for name, file, master in (("plain", None, None), ("other", wrong, right), ("lied to", wrong, wrong)):
    stranger = strangers[name] = zmq.Context().socket(zmq.DEALER)
    stranger.setsockopt(zmq.IDENTITY, name.encode())
    if file is not None:
        keys = Keys.read(file)
        stranger.curve_secretkey, stranger.curve_publickey = keys.worker_secret, keys.worker_public
        stranger.curve_serverkey = Keys.read(master).master_public
    stranger.connect(f"tcp://127.0.0.1:{server.port}")
    stranger.send(Message("hello", None, name).serialize())
deaf = Keys.read(wrong)
import harness.load.wire as wire
lost = zmq.Context().socket(zmq.DEALER)
lost.curve_secretkey, lost.curve_publickey = deaf.worker_secret, deaf.worker_public
lost.curve_serverkey = deaf.master_public
wire._tell_of_failures(lost)
lost.connect(f"tcp://127.0.0.1:{server.port}")
gevent.sleep(1.5)
print(json.dumps([heard, said]))
"""


def test_only_who_has_the_key_is_heard(tmp_path: Path) -> None:
    files = [tmp_path / "right", tmp_path / "wrong"]
    for file in files:
        new_key(file)
    command = [sys.executable, "-c", SPEAK, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["worker"], [True]]
    assert "a connection from 127.0.0.1 was refused: its key is not this run's" in done.stderr
    said = [line for line in done.stderr.splitlines() if "do not have the same key" in line]
    assert len(said) >= 2, "who has another key is told so, and so is who listens"
    for file in files:
        assert file.read_text(encoding="ascii").strip() not in done.stderr


def test_a_new_key_is_its_owner_s_alone_and_never_written_over(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    keys = Keys.read(tmp_path / "key")
    assert keys.master_secret != keys.worker_secret and keys.master_public != keys.worker_public
    assert keys == Keys.read(tmp_path / "key")
    with pytest.raises(CredentialError, match="expected to write a new file, got: File exists"):
        new_key(tmp_path / "key")


@pytest.mark.parametrize("text", ["", "00" * 31, "zz" * 32, "00" * 33])
def test_what_is_no_key_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(text, encoding="ascii")
    with pytest.raises(CredentialError, match="expected 64 hexadecimal digits") as error:
        Keys.read(path)
    assert not text or text not in str(error.value)
    path.chmod(0o644)
    with pytest.raises(CredentialError, match="only its owner may read"):
        Keys.read(path)
