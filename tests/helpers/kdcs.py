"""A second KDC of an embedded domain's arm: at another time, or with other settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.lab import hospital, kdc
from harness.lab.changes import Settings
from harness.lab.domain import LabArm
from harness.system.process import Family, environment, free_ports, listens


@contextmanager
def other_kdc(
    arm: LabArm,
    *,
    offset_s: int = 0,
    realm: Mapping[str, str] | None = None,
    krb5_conf: str = "",
    datagram: int | None = None,
    tcp: bool = True,
) -> Iterator[int]:
    """The port of a KDC of the arm's own database until the end of the block.

    Its clock is wrong by ``offset_s``; ``realm`` are further settings of its realm (kdc.conf(5)), ``krb5_conf`` is put
    behind the arm's own krb5.conf(5). It gives answers of up to ``datagram`` bytes by UDP, and is at the port by TCP
    unless told otherwise.
    """
    port, elsewhere = free_ports(2)
    conf = arm.folder / f"kdc-{port}.conf"
    begin = f"\t{hospital.REALM} = {{\n"
    settings = "".join(f"\t\t{name} = {value}\n" for name, value in (realm or {}).items())
    text = kdc.configuration(arm.folder, port, Settings(kdc_datagram=datagram)).replace(begin, begin + settings, 1)
    by_tcp = port if tcp else elsewhere
    conf.write_text(text.replace(f"kdc_tcp_listen = 127.0.0.1:{port}", f"kdc_tcp_listen = 127.0.0.1:{by_tcp}"))
    own = arm.folder / f"krb5-{port}.conf"
    own.write_text(arm.krb5_conf.read_text() + krb5_conf)
    env = environment(KRB5_CONFIG=str(own), KRB5_KDC_PROFILE=str(conf))
    if offset_s:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        env |= {"LD_PRELOAD": str(library), "FAKETIME": f"{offset_s:+d}s"}
    family = Family()
    child = family.spawn(["krb5kdc", "-n", "-r", hospital.REALM], env, arm.folder / "other-kdc.out")
    try:
        while not listens(child.pid, by_tcp):
            assert child.poll() is None, (arm.folder / "other-kdc.out").read_text()
        yield port
    finally:
        family.close()
        for left in Path("/dev/shm").glob(f"*faketime_*_{child.pid}"):  # libfaketime's own, which it drops at an exit
            left.unlink()
