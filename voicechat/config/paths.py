"""Where a user's settings are."""

from pathlib import Path


def default_path() -> Path:
    """`config.toml` in the platform's folder for a user's settings."""
    import platformdirs

    return platformdirs.user_config_path("voicechat", appauthor=False) / "config.toml"
