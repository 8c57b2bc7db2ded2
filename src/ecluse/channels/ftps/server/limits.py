"""What a listener grants to connections, from its settings."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final, Self

from ecluse.channels.ftps.server.errors import TooSlow
from ecluse.trust.settings.fields import octets, seconds
from ecluse.trust.settings.listeners import FtpsListener

__all__ = ["Pace", "Rate", "SessionLimits"]

_WINDOW: Final = 60.0
"""Seconds over which the rate of a transfer is looked at (`minimum_rate` is "over a minute")."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Times in seconds.

    Attributes:
        login_time: From the connection to the end of the login.
        login_attempts: Failed logins before the connection is closed.
        idle_time: Longest silence.
        data_time: From a command that transfers to its data connection, TLS included.
        minimum_rate: Octets a second that a transfer must make over a minute.
        require_reuse: Data connections resume the TLS session of their control connection.
        passive_ports: Ports of data connections; empty for any.
        external_address: Shown to clients in place of our own.
    """

    login_time: float = 20.0
    login_attempts: int = 4
    idle_time: float = 300.0
    data_time: float = 20.0
    minimum_rate: int = 64
    require_reuse: bool = True
    passive_ports: range = range(0)
    external_address: str = ""

    @classmethod
    def of(cls, settings: FtpsListener) -> Self:
        """As ``[listen.ftps]`` says."""
        guard, ports = settings.guard, range(0)
        if settings.passive_ports:
            first, _, last = settings.passive_ports.partition("-")
            ports = range(int(first), int(last) + 1)
        return cls(
            login_time=seconds(guard.login_time),
            login_attempts=guard.login_attempts,
            idle_time=seconds(guard.idle_time),
            minimum_rate=octets(guard.minimum_rate),
            require_reuse=settings.require_reuse,
            passive_ports=ports,
            external_address=settings.external_address or "",
        )


class Rate:
    """Octets a second at most, shared by several transfers. May be used from any thread.

    Args:
        most: Octets a second.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._free = time.monotonic()

    def took(self, count: int) -> float:
        """Count octets; give the seconds to wait before the next ones."""
        now = time.monotonic()
        with self._lock:
            self._free = max(self._free, now) + count / self.most
            return self._free - now


class Pace:
    """How fast one transfer goes: not slower than the listener grants, not faster than the partner's file does.

    Args:
        limits: The listener's.
        rate: What the partner's transfers share; ``None`` for any.
    """

    def __init__(self, limits: SessionLimits, rate: Rate | None) -> None:
        self._idle = limits.idle_time
        self._least = limits.minimum_rate
        self._rate = rate
        self._window = time.monotonic()
        self._in_window = 0

    @property
    def deadline(self) -> float:
        """When to stop waiting for the next octets, on the monotonic clock."""
        return time.monotonic() + self._idle

    @property
    def wait(self) -> float:
        """Seconds to wait for the next octets."""
        return self._idle

    def block(self, size: int) -> int:
        """Octets to move at once: at most ``size``, and no more than a quarter of a second's where there is a rate."""
        return size if self._rate is None else min(size, max(1 << 12, self._rate.most // 4))

    def took(self, count: int) -> float:
        """Count octets; give the seconds to wait before the next ones.

        Raises:
            TooSlow: The last minute brought too few.
        """
        now = time.monotonic()
        self._in_window += count
        if now - self._window >= _WINDOW:
            if self._in_window < self._least * (now - self._window):
                raise TooSlow("The transfer is slower than is waited for.")
            self._window, self._in_window = now, 0
        return 0.0 if self._rate is None else self._rate.took(count)
