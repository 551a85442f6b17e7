"""Several KDCs: which of them libkrb5 asks first, and which one answered.

libkrb5 goes through the KDCs of its configuration in order, and tells which one answered in its trace alone. Both are
properties of a libkrb5 context, and neither python-krb5 nor GSS-API has a call for them (libkrb5's receive hook isn't
told the server). So they are set here, on python-krb5's own contexts; and a TGS exchange, which GSS-API would make in a
context of its own, is made by krb5_get_credentials before GSS-API finds the ticket in the cache.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from ctypes import POINTER, byref, c_char_p, c_int32, c_uint32, c_void_p
from dataclasses import dataclass, field

import krb5

from harness.errors import RunError
from harness.login.kerberos.krb5conf import krb5_conf
from harness.login.kerberos.trace import parse_trace
from harness.model.endpoint import Addresses
from harness.model.protocol import KdcExchange
from harness.model.target import Target

_LIBRARY = "libkrb5.so.3"
# What may wait for a KDC gives the interpreter's lock back; what can't, keeps it.
_WAITING, _QUICK = ctypes.CDLL(_LIBRARY), ctypes.PyDLL(_LIBRARY)


class _Creds(ctypes.Structure):
    """The head of krb5_creds, and room for the rest of it (120 bytes of 64 bits in all)."""

    _fields_ = [("magic", c_int32), ("client", c_void_p), ("server", c_void_p), ("rest", ctypes.c_byte * 96)]


for _library, _name, _arguments in (
    (_QUICK, "krb5_set_config_files", (c_void_p, POINTER(c_char_p))),
    (_QUICK, "krb5_set_trace_filename", (c_void_p, c_char_p)),
    (_QUICK, "krb5_cc_resolve", (c_void_p, c_char_p, POINTER(c_void_p))),
    (_QUICK, "krb5_cc_get_principal", (c_void_p, c_void_p, POINTER(c_void_p))),
    (_QUICK, "krb5_cc_close", (c_void_p, c_void_p)),
    (_QUICK, "krb5_parse_name", (c_void_p, c_char_p, POINTER(c_void_p))),
    (_QUICK, "krb5_free_principal", (c_void_p, c_void_p)),
    (_QUICK, "krb5_free_creds", (c_void_p, c_void_p)),
    (_WAITING, "krb5_get_credentials", (c_void_p, c_uint32, c_void_p, POINTER(_Creds), POINTER(c_void_p))),
):
    getattr(_library, _name).argtypes = _arguments
    getattr(_library, _name).restype = c_int32


@dataclass(slots=True)
class KdcAsk:
    """What a login asks of KDCs: the address of the one to ask first, and what libkrb5 has said of it since."""

    first: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def exchanges(self) -> tuple[KdcExchange, ...]:
        """Every exchange that was made, in order."""
        return parse_trace(self.said)

    @property
    def server(self) -> str:
        """The KDC that answered last; empty where none has, or where there is but one and nobody asked."""
        return next((it.server for it in reversed(self.exchanges) if it.answer_bytes is not None), "")


class KdcContext:
    """A python-krb5 context that asks the KDCs in an order of its own, and knows which one answered."""

    def __init__(self, conf: str) -> None:
        self.context = krb5.init_context()
        self._raw = raw_context(self.context)
        self._trace = os.memfd_create("krb5-trace", 0)
        files = (c_char_p * 2)(conf.encode(), None)
        for code in (
            _QUICK.krb5_set_config_files(self._raw, files),
            _QUICK.krb5_set_trace_filename(self._raw, f"/proc/self/fd/{self._trace}".encode()),
        ):
            if code:
                raise RunError(f"libkrb5: expected a context of its own configuration and trace, got error {code}")

    def new_lines(self) -> list[str]:
        """The lines of the trace since the last call."""
        said = os.pread(self._trace, os.fstat(self._trace).st_size, 0)
        os.ftruncate(self._trace, 0)  # libkrb5 appends
        return said.decode(errors="replace").splitlines()

    def get_ticket(self, cache: str, service: str) -> int:
        """Have a ticket for the service in the cache, by a TGS exchange where it isn't; libkrb5's error code, or 0."""
        ccache, client, server, found = c_void_p(), c_void_p(), c_void_p(), c_void_p()
        code = int(_QUICK.krb5_cc_resolve(self._raw, cache.encode(), byref(ccache)))
        if code:
            return code
        try:
            code = _QUICK.krb5_cc_get_principal(self._raw, ccache, byref(client))
            code = code or _QUICK.krb5_parse_name(self._raw, service.encode(), byref(server))
            if not code:
                wanted = _Creds(client=client, server=server)
                code = _WAITING.krb5_get_credentials(self._raw, 0, ccache, byref(wanted), byref(found))
            return int(code)
        finally:
            _QUICK.krb5_free_creds(self._raw, found)
            _QUICK.krb5_free_principal(self._raw, server)
            _QUICK.krb5_free_principal(self._raw, client)
            _QUICK.krb5_cc_close(self._raw, ccache)


class KdcContexts:
    """Contexts for each order of a target's KDCs, lent to one thread at a time."""

    def __init__(self, target: Target, addresses: Addresses) -> None:
        hosts = [checked.host for kdc in target.kdcs for checked in kdc.at(addresses)]
        self._files = {host: _kept(krb5_conf(target, addresses, host)) for host in ("", *dict.fromkeys(hosts))}
        self._free: Mapping[str, list[KdcContext]] = {host: [] for host in self._files}

    def take(self, ask: KdcAsk) -> KdcContext:
        """A context of this order; one of the target's own for an address without a KDC."""
        first = ask.first if ask.first in self._files else ""
        try:
            return self._free[first].pop()  # atomic under the interpreter's lock, as append is
        except IndexError:
            return KdcContext(f"/proc/self/fd/{self._files[first]}")

    def give_back(self, ask: KdcAsk, context: KdcContext) -> None:
        """After use; what the context has seen is the ask's."""
        ask.said += context.new_lines()
        self._free[ask.first if ask.first in self._files else ""].append(context)


def _kept(conf: str) -> int:
    """A file without a name that lives as long as this process."""
    file = os.memfd_create("krb5.conf", 0)
    os.write(file, conf.encode())
    return file


def raw_context(context: krb5.Context) -> c_void_p:
    """The krb5_context of a python-krb5 context, which is the one field after the head of its object."""
    head = object.__basicsize__
    if type(context).__basicsize__ != head + ctypes.sizeof(c_void_p):
        raise RunError("several KDCs: expected python-krb5 as it is locked, got another one")
    return c_void_p.from_address(id(context) + head)
