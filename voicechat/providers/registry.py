"""Providers by name. Each one's module is imported only when it is asked for."""

from importlib import import_module

from voicechat.errors import UsageError
from voicechat.providers.base import Provider, ProviderOptions

_PROVIDERS = {
    "qwen": ("voicechat.providers.qwen", "Qwen"),
    "openai": ("voicechat.providers.openai", "OpenAI"),
    "azure": ("voicechat.providers.azure", "AzureOpenAI"),
    "doubao": ("voicechat.providers.doubao", "Doubao"),
    "newapi": ("voicechat.providers.newapi", "NewAPI"),
}

NAMES = (*_PROVIDERS, "offline")
"""Every provider a user can name; `offline` is no service and is made elsewhere."""


def create(name: str, options: ProviderOptions) -> Provider:
    """The provider called `name`. Raises UsageError for an unknown name."""
    if name not in _PROVIDERS:
        raise UsageError(f"There is no provider {name}.", f"Known providers: {', '.join(NAMES)}.")
    module, cls = _PROVIDERS[name]
    provider: Provider = getattr(import_module(module), cls)(options)
    return provider
