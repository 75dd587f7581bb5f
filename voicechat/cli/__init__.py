"""The command line: one thin module per command, options shared in `options`. Imports everything below it.

Importing this package must stay as light as Typer itself: heavy modules are imported inside the commands.
"""

from voicechat.cli.app import main

__all__ = ["main"]
