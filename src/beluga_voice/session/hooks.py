"""The door: who may make a session, and how often. Hooks that raise or hang never take anything down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from beluga_voice.config import Config, SessionConfig
from beluga_voice.core.resilience import TokenBucket
from beluga_voice.errors import AuthError, BackendError, CapacityError
from beluga_voice.hooks import AuthHook, AuthResult, RateLimiter

__all__ = ["Door"]

log = logging.getLogger(__name__)

HOOK_DEADLINE = 5.0
# The fallback limit when a limiter of the user's fails: sessions a second and burst, for one user.
_RATE, _BURST = 10.0, 20.0
_MAX_KEYS = 10_000


class Door:
    """Admits users.

    Args:
        config: its ``auth_hook`` and ``rate_limiter`` are asked.
        now: seconds; the event loop's clock by default.
    """

    def __init__(self, config: Config, now: Callable[[], float] | None = None) -> None:
        self._auth: AuthHook | None = config.auth_hook
        self._limiter: RateLimiter | None = config.rate_limiter
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._buckets: dict[str, TokenBucket] = {}

    async def admit(self, config: SessionConfig) -> SessionConfig:
        """Returns the config to use: with the authenticated user and the hook's metadata, on a copy.

        Raises:
            AuthError: refused, or the hook failed.
            CapacityError: ``rate_limit_exceeded``.
        """
        changes: dict[str, object] = {"metadata": dict(config.metadata)}
        if self._auth is not None:
            result = await self._authenticate(self._auth, config)
            changes = {
                "user_id": result.user_id or config.user_id,
                "metadata": {**config.metadata, **result.metadata},
            }
        admitted = config.model_copy(update=changes)
        if self._auth is not None:
            await self._authorise(self._auth, admitted.user_id)
        await self._limit(admitted.user_id)
        return admitted

    async def _authenticate(self, hook: AuthHook, config: SessionConfig) -> AuthResult:
        try:
            async with asyncio.timeout(HOOK_DEADLINE):
                result = await hook.authenticate(config.token.get_secret_value(), dict(config.metadata))
        except AuthError:
            raise
        except Exception as error:
            raise AuthError(
                "create_session",
                "authentication_failed",
                f"the auth hook failed ({type(error).__name__}); nobody is let in",
            ) from error
        if not result.authorized:
            raise AuthError("create_session", "authentication_failed", "user not authorized; check the token")
        return result

    async def _authorise(self, hook: AuthHook, user_id: str) -> None:
        try:
            async with asyncio.timeout(HOOK_DEADLINE):
                allowed = await hook.authorize(user_id, "create_session")
        except Exception as error:
            raise AuthError(
                "create_session",
                "authorization_failed",
                f"the auth hook failed ({type(error).__name__}); nobody is let in",
            ) from error
        if not allowed:
            raise AuthError("create_session", "authorization_failed", "user not authorized to create session")

    async def _limit(self, key: str) -> None:
        if self._limiter is None:
            return
        try:
            async with asyncio.timeout(HOOK_DEADLINE):
                allowed = await self._limiter.allow(key)
        except BackendError:
            raise
        except Exception as error:
            log.warning("the rate limiter failed (%s); the built-in limit applies", type(error).__name__)
            allowed = self._bucket(key).take(self._now())
        if not allowed:
            raise CapacityError(
                "create_session",
                "rate_limit_exceeded",
                "too many sessions in a short time; try again later",
                {"retry_after": 1.0},
            )

    def _bucket(self, key: str) -> TokenBucket:
        bucket = self._buckets.pop(key, None) or TokenBucket(rate=_RATE, burst=_BURST, now=self._now())
        self._buckets[key] = bucket  # most recent last
        if len(self._buckets) > _MAX_KEYS:
            del self._buckets[next(iter(self._buckets))]
        return bucket
