"""What gateways share as the settings mean it. Redis' client is loaded only where there is one."""

from importlib.util import find_spec

from voicechat.errors import ConfigError
from voicechat.serve.budget import revocation
from voicechat.serve.store import MemoryStore, Store
from voicechat.serve.tokens import digest_in


def open_store(url: str) -> Store:
    """`url` is `[serve] redis`, "" where nothing is shared. Raises ConfigError for one of no use."""
    if not url:
        return MemoryStore()
    if find_spec("redis") is None:
        raise ConfigError("Redis' client is not installed.", "In voicechat's folder: pip install '.[serve-redis]'")
    from voicechat.serve.redis_store import RedisStore

    return RedisStore(url)


async def revoke_everywhere(url: str, written_hash: str) -> None:
    """Tell every gateway of this store that a token is revoked, by its `hash`. Raises ConfigError, Unreachable."""
    if url:
        store = open_store(url)
        try:
            await store.put(revocation(digest_in(written_hash)), "revoked", None)
        finally:
            await store.close()
