"""Load generators as machines of their own: network namespaces, with a cable to the master that can be pulled."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

_NETWORKS = ipaddress.ip_network("198.18.0.0/15")
"""For benchmarks of networks (RFC 2544): they lead nowhere else."""
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _unused() -> ipaddress.IPv4Network:
    """A network of this process's own: two test runs on one machine don't take each other's address."""
    taken = [address.address for found in psutil.net_if_addrs().values() for address in found]
    networks = list(_NETWORKS.subnets(new_prefix=24))
    first = os.getpid() % len(networks)
    return next(net for net in networks[first:] + networks[:first] if str(net[1]) not in taken)


def _remove_abandoned() -> None:
    """Take down what a killed test run left: its processes are gone, its bridges and namespaces are not."""
    for what, name_of, remove in (
        (("netns", "list"), r"^(authgate-(\d+)-\d+)", ("netns", "del")),
        (("-br", "link", "show", "type", "bridge"), r"^(agb(\d+))\b", ("link", "del")),
    ):
        listed = subprocess.run(["ip", *what], check=True, capture_output=True, text=True).stdout
        for name, owner in re.findall(name_of, listed, re.MULTILINE):
            if not psutil.pid_exists(int(owner)):
                subprocess.run(["ip", *remove, name], check=False, capture_output=True)


class Generator:
    """One network namespace: its loopback leads to the lab's servers, its cable to the master and nowhere else."""

    def __init__(self, number: int, network: ipaddress.IPv4Network) -> None:
        self.name = f"authgate-{os.getpid()}-{number}"
        self.master = str(network[1])
        self._address = f"{network[10 + number]}/{network.prefixlen}"
        self._cable = f"agm{os.getpid()}n{number}"

    def make(self, bridge: str) -> None:
        """Set the namespace up."""
        inside = "to-master"
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", inside, "netns", self.name)
        _ip("link", "set", self._cable, "master", bridge, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")
        _ip("-n", self.name, "addr", "add", self._address, "dev", inside)
        _ip("-n", self.name, "link", "set", inside, "up")

    def remove(self) -> None:
        """Take it down, whatever there is of it."""
        for arguments in (("netns", "del", self.name), ("link", "del", self._cable)):
            subprocess.run(["ip", *arguments], check=False, capture_output=True)

    def pull(self, pulled: bool) -> None:
        """Pull the cable, or put it in again."""
        _ip("link", "set", self._cable, "down" if pulled else "up")

    def worker(
        self,
        key: Path,
        port: int,
        *more: str,
        clock_s: int = 0,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.Popen[str]:
        """``authgate worker`` in it; with ``clock_s`` its monotonic clock is so far ahead."""
        command = ["ip", "netns", "exec", self.name]
        if clock_s:
            command += ["unshare", "--time", "--fork", "--kill-child", "--monotonic", str(clock_s)]
        command += [
            sys.executable,
            "-m",
            "harness",
            "worker",
            "--master",
            f"{self.master}:{port}",
            "--key",
            str(key),
            *more,
        ]
        env = {**os.environ, **environment}
        return subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)

    def listening(self, kind: socket.SocketKind, port: int) -> socket.socket:
        """A socket bound to this namespace's loopback, for whoever holds it."""

        def make() -> socket.socket:
            with Path(f"/run/netns/{self.name}").open("rb") as namespace:
                if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            # By its protocol: else asyncio leaves TCP_NODELAY off what it accepts, and answers wait 40 ms.
            made = socket.socket(socket.AF_INET, kind, socket.IPPROTO_TCP if kind is socket.SOCK_STREAM else 0)
            made.bind(("127.0.0.1", port))
            if kind is socket.SOCK_STREAM:
                made.listen(100)
                made.setblocking(False)
            return made

        with ThreadPoolExecutor(1) as thread:  # of its own: a namespace is a thread's
            return thread.submit(make).result()


@contextlib.contextmanager
def generators(count: int, ports: Sequence[int]) -> Iterator[list[Generator]]:
    """So many of them, whose loopback has the servers of these ports of this machine's loopback."""
    _remove_abandoned()
    network = _unused()
    bridge = f"agb{os.getpid()}"
    made = [Generator(number, network) for number in range(count)]
    with contextlib.ExitStack() as stack:
        stack.callback(subprocess.run, ["ip", "link", "del", bridge], check=False, capture_output=True)
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{network[1]}/{network.prefixlen}", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for generator in made:
            stack.callback(generator.remove)
            generator.make(bridge)
        stack.enter_context(_forwarding(made, ports))
        yield made


@contextlib.contextmanager
def _in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextlib.contextmanager
def far_away(master: str, port: int, new_port: int, one_way_s: float) -> Iterator[None]:
    """The master's port once more, behind a line that takes so long each way (the kernel may have no netem)."""

    async def late(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    return sink.close()
                sink.write(data)

        arriving = loop.create_task(arrive())
        data = b"-"
        while data:
            try:
                data = await source.read(65536)
            except OSError:
                data = b""
            under_way.put_nowait((loop.time() + one_way_s, data))
        await arriving

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_master, from_here = await asyncio.open_connection(master, port)
        except OSError:  # it does not listen yet: who connects tries again
            return writer.close()
        await asyncio.gather(late(reader, from_here), late(to_master, writer))

    with _in_a_thread() as loop:
        asyncio.run_coroutine_threadsafe(asyncio.start_server(accept, master, new_port), loop).result(30)
        yield


@contextlib.contextmanager
def _forwarding(made: Sequence[Generator], ports: Sequence[int]) -> Iterator[None]:
    async def serve() -> None:
        for generator in made:
            for port in ports:
                tcp, udp = (generator.listening(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))
                await asyncio.start_server(lambda r, w, port=port: _through(r, w, port), sock=tcp)  # type: ignore[misc]
                await loop.create_datagram_endpoint(lambda port=port: _Datagrams(port), sock=udp)  # type: ignore[misc]

    with _in_a_thread() as loop:
        asyncio.run_coroutine_threadsafe(serve(), loop).result(30)
        yield


async def _through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError):
            sink.close()

    try:
        to_server, from_here = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pipe(reader, from_here), pipe(to_server, writer))


class _Datagrams(asyncio.DatagramProtocol):
    """Each datagram goes to the server from a socket of its own, and its answer back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: Any = None
        self._tasks: set[Any] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        transport = self._transport

        class _Once(asyncio.DatagramProtocol):
            def connection_made(self, mine: Any) -> None:
                self._mine = mine
                mine.sendto(data)

            def datagram_received(self, answer: bytes, _: Any) -> None:
                transport.sendto(answer, address)
                self._mine.close()

        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.create_datagram_endpoint(_Once, remote_addr=("127.0.0.1", self._port)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
