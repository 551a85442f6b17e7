"""The load: paced arrivals, the Locust user, and the fleet of one master and a worker process an arm.

``LoginClient`` is for locustfiles that are written by hand; it is imported when it is asked for, as only it needs
gevent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.load.client import LoginClient

__all__ = ["LoginClient"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from harness.load import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
