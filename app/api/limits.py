"""How much anybody may ask for in a time: counted for each user, portal and address."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from ipaddress import ip_address

from limits import RateLimitItem, parse
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.types import Scope

from app.identity import LOCAL, Identity
from app.settings import Settings
from vectorstore.errors import BusyError, SettingsError

logger = logging.getLogger(__name__)


class Limits:
    """Moving windows of requests, in this process's memory or in Redis.

    A user's share is counted by what identifies them at the door, never by anything that they
    can choose anew with each request.

    Raises:
        SettingsError: A limit is not written as `60/minute`, or the storage cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        try:
            self._user = parse(settings.limit_user)
            self._portal = parse(settings.limit_portal)
            self._public = parse(settings.limit_public)
            self._address = parse(settings.limit_address)
            address = f"async+{settings.limits_storage}"
            client = {"implementation": "redispy"} if "redis" in address else {}
            storage = storage_from_string(address, wrap_exceptions=True, **client)
        except Exception as exc:  # the library has no common class for these
            msg = f"A limit cannot be used: {exc}. Write it as 60/minute, the storage as memory://."
            raise SettingsError(msg) from exc
        assert isinstance(storage, Storage)  # noqa: S101 (async+ says so)
        self._windows = MovingWindowRateLimiter(storage)

    async def admit_address(self, scope: Scope) -> None:
        """Count a request from an address; this machine's own are not limited.

        An IPv6 network of 64 bits counts as one address: whoever has one has all.

        Raises:
            BusyError: It is one too many.
        """
        client = scope.get("client")
        if client is None:
            return
        try:
            if ip_address(client[0]).is_loopback:
                return
        except ValueError:
            return
        await self._hit(self._address, "address", network_of(client[0]))

    async def admit_question(self, identity: Identity) -> None:
        """Count a question or a search of a user, and of the portal they come through.

        Strangers in a public portal are counted by their address there, this machine's own too:
        a new session makes nobody another one.

        Raises:
            BusyError: It is one too many.
        """
        if identity.subject == LOCAL.subject:  # without authentication it may be anybody here
            return
        if identity.stranger_at is not None:
            network = network_of(identity.stranger_at)
            await self._hit(self._public, "address", identity.portal or "", network)
        else:
            await self._hit(_item(identity.limit_user) or self._user, "user", identity.subject)
        if identity.portal is not None:
            limit = _item(identity.limit_portal) or self._portal
            await self._hit(limit, "portal", identity.portal)

    async def _hit(self, limit: RateLimitItem, kind: str, *who: str) -> None:
        try:
            if await self._windows.hit(limit, kind, *who):
                return
            stats = await self._windows.get_window_stats(limit, kind, *who)
        except StorageError as exc:
            logger.error("limits cannot be counted: %s", exc)
            msg = "Limits cannot be counted at the moment. Ask again in some seconds."
            raise BusyError(msg, retry_after=5, overloaded=True) from exc
        wait = max(1.0, stats.reset_time - time.time())
        msg = f"That is more than {limit} for one {kind}. Ask again in {wait:.0f} s."
        raise BusyError(msg, retry_after=wait)


def network_of(host: str) -> str:
    """Return what an address is counted under: an IPv6 one under its network of 64 bits."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address) if address.version == 4 else address.exploded[:19]


def check_limit(limit: str) -> None:
    """Raise a SettingsError for what is no limit."""
    try:
        parse(limit)
    except ValueError as exc:
        msg = f"{limit!r} is no limit. Write it as 60/minute."
        raise SettingsError(msg) from exc


@lru_cache
def _item(limit: str | None) -> RateLimitItem | None:
    """Return a portal's own limit, which was checked when it was set."""
    return None if limit is None else parse(limit)
