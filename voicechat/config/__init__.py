"""Settings: what may be set (`settings`), where each value comes from (`sources`, `load`), and which service is
used with what (`choose`).

Imports the errors and the catalogue of providers; nothing above. pydantic is imported only when `load` is called.
"""

from voicechat.config.choose import Chat, Choice, choose_provider, missing_settings
from voicechat.config.keyfile import with_key_file
from voicechat.config.load import Loaded, load
from voicechat.config.paths import default_path

__all__ = ["Chat", "Choice", "Loaded", "choose_provider", "default_path", "load", "missing_settings", "with_key_file"]
