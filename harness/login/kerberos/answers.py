"""What a KDC answered last, in a context of libkrb5: why it refused is in the message, and in no error of the library.

The hook returns into Python within the exchange, so it is for logins that nobody measures.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_int32, c_uint, c_void_p
from typing import Any

import krb5

from harness.login.kerberos.kdcs import raw_context


class _Data(ctypes.Structure):
    """krb5_data."""

    _fields_ = [("magic", c_int32), ("length", c_uint), ("data", c_void_p)]


_Hook = CFUNCTYPE(
    c_int32, c_void_p, c_void_p, c_int32, POINTER(_Data), POINTER(_Data), POINTER(_Data), POINTER(POINTER(_Data))
)
"""krb5_post_recv_fn: context, its argument, the error, realm, request, answer, another answer to take instead."""
_LIBRARY = ctypes.PyDLL("libkrb5.so.3")
_LIBRARY.krb5_set_kdc_recv_hook.argtypes = (c_void_p, _Hook, c_void_p)
_LIBRARY.krb5_set_kdc_recv_hook.restype = None


class LastAnswer:
    """The last message of a KDC, of every context that it listens to; one exchange at a time."""

    def __init__(self) -> None:
        self.message = b""
        self._hook = _Hook(self._hear)  # libkrb5 keeps no reference

    def listen(self, context: krb5.Context) -> None:
        """Hear what KDCs answer in this context."""
        self.message = b""
        _LIBRARY.krb5_set_kdc_recv_hook(raw_context(context), self._hook, None)

    def _hear(self, *arguments: Any) -> int:
        code, answer = int(arguments[2]), arguments[5]
        if answer:
            found = answer.contents
            self.message = ctypes.string_at(found.data, found.length)
        return code  # anything else would be an answer in place of an error
