"""MIT libkrb5's message makers by ctypes: it makes and reads the messages, the caller carries them.

``krb5_init_creds_step`` and ``krb5_tkt_creds_step`` (krb5.h, since 1.9) open no socket and wait for nothing, so they
may be called on an event loop; python-krb5 has no call for them. All calls keep the interpreter's lock but those that
derive a key from a password.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int32, c_uint, c_void_p
from typing import Any

RESPONSE_TOO_BIG = -1765328384 + 52
"""KRB5KRB_ERR_RESPONSE_TOO_BIG: the same request is to be sent by TCP (RFC 4120 §7.2.1)."""
_CONTINUE = 1

_LIBRARY = "libkrb5.so.3"
_QUICK, _SLOW = ctypes.PyDLL(_LIBRARY), ctypes.CDLL(_LIBRARY)
"""The first keeps the interpreter's lock, the second gives it back for calls that compute for milliseconds."""


class _Data(ctypes.Structure):
    _fields_ = [("magic", c_int32), ("length", c_uint), ("data", c_void_p)]


class _Given(ctypes.Structure):
    """krb5_data of bytes of Python's, which it keeps."""

    _fields_ = [("magic", c_int32), ("length", c_uint), ("data", c_char_p)]


class _Keyblock(ctypes.Structure):
    _fields_ = [("magic", c_int32), ("enctype", c_int32), ("length", c_uint), ("contents", c_void_p)]


class _Creds(ctypes.Structure):
    """The head of krb5_creds, and room for the rest of it (120 bytes of 64 bits in all)."""

    _fields_ = [("magic", c_int32), ("client", c_void_p), ("server", c_void_p), ("rest", ctypes.c_byte * 112)]


class _PrincipalData(ctypes.Structure):
    """krb5_principal_data."""

    _fields_ = [("magic", c_int32), ("realm", _Data), ("data", c_void_p), ("length", c_int32), ("type", c_int32)]


_SERVICE_AND_HOST = 3
"""KRB5_NT_SRV_HST: of a name of another type a KDC tells no other realm (RFC 4120 §6.2; MIT's is_referral_req)."""
ENTERPRISE = 4
"""KRB5_PRINCIPAL_PARSE_ENTERPRISE, of a name to be parsed."""
_FAST_REQUIRED = 1
"""KRB5_FAST_REQUIRED: armour every request, and take no answer without."""
_OUT = POINTER(c_void_p)
_STEP = (c_void_p, c_void_p, POINTER(_Given), POINTER(_Data), POINTER(_Data), POINTER(c_uint))
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "krb5_init_context": (_OUT,),
    "krb5_parse_name_flags": (c_void_p, c_char_p, c_int32, _OUT),
    "krb5_get_init_creds_opt_alloc": (c_void_p, _OUT),
    "krb5_get_init_creds_opt_set_pa": (c_void_p, c_void_p, c_char_p, c_char_p),
    "krb5_get_init_creds_opt_set_fast_ccache_name": (c_void_p, c_void_p, c_char_p),
    "krb5_get_init_creds_opt_set_fast_flags": (c_void_p, c_void_p, c_int32),
    "krb5_init_creds_init": (c_void_p, c_void_p, c_void_p, c_void_p, c_int32, c_void_p, _OUT),
    "krb5_init_creds_set_keytab": (c_void_p, c_void_p, c_void_p),
    "krb5_init_creds_set_password": (c_void_p, c_void_p, c_char_p),
    "krb5_init_creds_step": _STEP,
    "krb5_init_creds_get_creds": (c_void_p, c_void_p, POINTER(_Creds)),
    "krb5_tkt_creds_init": (c_void_p, c_void_p, POINTER(_Creds), c_uint, _OUT),
    "krb5_tkt_creds_step": _STEP,
    "krb5_kt_resolve": (c_void_p, c_char_p, _OUT),
    "krb5_cc_resolve": (c_void_p, c_char_p, _OUT),
    "krb5_cc_initialize": (c_void_p, c_void_p, c_void_p),
    "krb5_cc_store_cred": (c_void_p, c_void_p, POINTER(_Creds)),
    "krb5_cc_get_principal": (c_void_p, c_void_p, _OUT),
    "krb5_c_string_to_key_with_params":
        (c_void_p, c_int32, POINTER(_Given), POINTER(_Given), POINTER(_Given), POINTER(_Keyblock)),
}  # fmt: skip
_FREES: dict[str, tuple[Any, ...]] = {
    "krb5_free_context": (c_void_p,),
    "krb5_free_principal": (c_void_p, c_void_p),
    "krb5_free_data_contents": (c_void_p, POINTER(_Data)),
    "krb5_free_cred_contents": (c_void_p, POINTER(_Creds)),
    "krb5_free_keyblock_contents": (c_void_p, POINTER(_Keyblock)),
    "krb5_init_creds_free": (c_void_p, c_void_p),
    "krb5_tkt_creds_free": (c_void_p, c_void_p),
    "krb5_get_init_creds_opt_free": (c_void_p, c_void_p),
    "krb5_get_init_creds_opt_set_forwardable": (c_void_p, c_int32),
    "krb5_get_init_creds_opt_set_canonicalize": (c_void_p, c_int32),
    "krb5_kt_close": (c_void_p, c_void_p),
    "krb5_cc_close": (c_void_p, c_void_p),
}
for _library in (_QUICK, _SLOW):
    for _name, _arguments in {**_SIGNATURES, **_FREES}.items():
        getattr(_library, _name).argtypes = _arguments
        getattr(_library, _name).restype = c_int32 if _name in _SIGNATURES else None


class LibraryError(Exception):
    """A call of libkrb5 that failed, with its error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"libkrb5 error {code}")
        self.code = code


def _checked(code: int) -> None:
    if code:
        raise LibraryError(code)


def _made(function: Any, *arguments: Any) -> c_void_p:
    made = c_void_p()
    _checked(function(*arguments, byref(made)))
    return made


def _data(content: bytes) -> _Given:
    """The bytes as krb5_data."""
    return _Given(0, len(content), content)


class Context:
    """A krb5_context: configuration, and what plugins keep in it. Serves one caller at a time."""

    __slots__ = ("raw",)

    def __init__(self) -> None:
        self.raw = _made(_QUICK.krb5_init_context)

    def __del__(self) -> None:
        _QUICK.krb5_free_context(self.raw)

    def principal(self, name: str, flags: int = 0) -> Principal:
        """The principal of this name."""
        return Principal(self, name, flags)

    def service(self, name: str) -> Principal:
        """The principal of a service on a host, typed as GSS-API types it (RFC 4121 §4.1)."""
        found = Principal(self, name, 0)
        ctypes.cast(found.raw, POINTER(_PrincipalData)).contents.type = _SERVICE_AND_HOST
        return found

    def derive_key(self, enctype: int, password: bytes, salt: bytes, parameters: bytes) -> bytes:
        """The key of a password (RFC 3961's string-to-key), in some ms without the interpreter's lock."""
        key = _Keyblock()
        given = _data(parameters) if parameters else None
        _checked(
            _SLOW.krb5_c_string_to_key_with_params(
                self.raw, enctype, byref(_data(password)), byref(_data(salt)), given and byref(given), byref(key)
            )
        )
        try:
            return ctypes.string_at(key.contents, key.length)
        finally:
            _QUICK.krb5_free_keyblock_contents(self.raw, byref(key))


class Principal:
    """A krb5_principal."""

    __slots__ = ("_context", "raw")

    def __init__(self, context: Context, name: str, flags: int) -> None:
        self._context = context
        self.raw = _made(_QUICK.krb5_parse_name_flags, context.raw, name.encode(), flags)

    def __del__(self) -> None:
        if hasattr(self, "raw"):
            _QUICK.krb5_free_principal(self._context.raw, self.raw)


Carry = Callable[[bytes, bool, str], bytes]
"""Sends a request to a KDC of the realm and gives its answer; the flag says that only TCP will do."""
Step = Callable[[Callable[[], None]], None]
"""Runs a step of libkrb5's: where it may compute for long, in a thread."""


def here(step: Callable[[], None]) -> None:
    """Run the step here and now."""
    step()


def _carried(step: str, context: Context, exchange: c_void_p, carry: Carry, run: Step, owner: object = None) -> None:
    """Let libkrb5 make requests and read their answers until it needs no more; raises LibraryError.

    ``owner`` is what a step in a thread needs alive, should its caller have gone at the deadline.
    """
    function = getattr(_QUICK if run is here else _SLOW, step)
    answer, request, where, tcp_only = b"", b"", "", False
    while True:
        flags, out, realm = c_uint(), _Data(), _Data()
        code = 0

        def one(
            given: bytes = answer, out: _Data = out, realm: _Data = realm, flags: c_uint = flags, kept: object = owner
        ) -> None:
            nonlocal code
            code = function(context.raw, exchange, byref(_data(given)), byref(out), byref(realm), byref(flags))

        try:
            run(one)
            if out.length:
                request = ctypes.string_at(out.data, out.length)
                where = ctypes.string_at(realm.data, realm.length).decode(errors="replace")
        finally:
            _QUICK.krb5_free_data_contents(context.raw, byref(out))
            _QUICK.krb5_free_data_contents(context.raw, byref(realm))
        if code == RESPONSE_TOO_BIG and not tcp_only:
            tcp_only = True
        elif code:
            raise LibraryError(code)
        elif not flags.value & _CONTINUE:
            return
        answer = carry(request, tcp_only, where)


class InitialExchange:
    """The AS exchange of one login (krb5_init_creds_*)."""

    def __init__(
        self,
        context: Context,
        principal: Principal,
        settings: tuple[tuple[bytes, bytes], ...] = (),
        canonicalize: bool = False,
        armor: str = "",
    ) -> None:
        """``settings`` are pre-authentication options by name, as of kinit's -X; with ``canonicalize`` the KDC says
        whose ticket it is (RFC 6806); ``armor`` is the cache of the ticket that protects the exchange, as of kinit's
        -T (RFC 6113)."""
        self._context = context
        self._principal = principal
        self._options = _made(_QUICK.krb5_get_init_creds_opt_alloc, context.raw)
        self._raw = c_void_p()
        _QUICK.krb5_get_init_creds_opt_set_forwardable(self._options, 1)
        _QUICK.krb5_get_init_creds_opt_set_canonicalize(self._options, int(canonicalize))
        for name, value in settings:
            _checked(_QUICK.krb5_get_init_creds_opt_set_pa(context.raw, self._options, name, value))
        if armor:
            set_cache = _QUICK.krb5_get_init_creds_opt_set_fast_ccache_name
            _checked(set_cache(context.raw, self._options, armor.encode()))
            _checked(_QUICK.krb5_get_init_creds_opt_set_fast_flags(context.raw, self._options, _FAST_REQUIRED))
        self._raw = _made(_QUICK.krb5_init_creds_init, context.raw, principal.raw, None, None, 0, self._options)

    def __del__(self) -> None:
        if self._raw:
            _QUICK.krb5_init_creds_free(self._context.raw, self._raw)
        _QUICK.krb5_get_init_creds_opt_free(self._context.raw, self._options)

    def by_keytab(self, name: str) -> None:
        """Use the keys of the keytab of this name."""
        keytab = _made(_QUICK.krb5_kt_resolve, self._context.raw, name.encode())
        try:
            _checked(_QUICK.krb5_init_creds_set_keytab(self._context.raw, self._raw, keytab))
        finally:
            _QUICK.krb5_kt_close(self._context.raw, keytab)

    def by_password(self, password: str) -> None:
        """Use the password."""
        _checked(_QUICK.krb5_init_creds_set_password(self._context.raw, self._raw, password.encode()))

    def run(self, carry: Carry, run: Step = here) -> None:
        """Make the exchange; raises LibraryError."""
        _carried("krb5_init_creds_step", self._context, self._raw, carry, run, self)

    def store(self, cache: str) -> None:
        """Keep what was obtained as the one content of the cache of this name."""
        creds = _Creds()
        _checked(_QUICK.krb5_init_creds_get_creds(self._context.raw, self._raw, byref(creds)))
        try:
            ccache = _made(_QUICK.krb5_cc_resolve, self._context.raw, cache.encode())
            try:
                _checked(_QUICK.krb5_cc_initialize(self._context.raw, ccache, creds.client))
                _checked(_QUICK.krb5_cc_store_cred(self._context.raw, ccache, byref(creds)))
            finally:
                _QUICK.krb5_cc_close(self._context.raw, ccache)
        finally:
            _QUICK.krb5_free_cred_contents(self._context.raw, byref(creds))


def get_ticket(context: Context, cache: str, service: Principal, carry: Carry) -> None:
    """Have a ticket for the service in the cache, by TGS exchanges where it isn't (krb5_tkt_creds_*).

    Raises LibraryError.
    """
    ccache = _made(_QUICK.krb5_cc_resolve, context.raw, cache.encode())
    client, exchange = c_void_p(), c_void_p()
    try:
        client = _made(_QUICK.krb5_cc_get_principal, context.raw, ccache)
        wanted = _Creds(client=client, server=service.raw)
        exchange = _made(_QUICK.krb5_tkt_creds_init, context.raw, ccache, byref(wanted), 0)
        _carried("krb5_tkt_creds_step", context, exchange, carry, here)
    finally:
        if exchange:
            _QUICK.krb5_tkt_creds_free(context.raw, exchange)
        _QUICK.krb5_free_principal(context.raw, client)
        _QUICK.krb5_cc_close(context.raw, ccache)
