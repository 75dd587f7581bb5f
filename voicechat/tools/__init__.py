"""Functions that the model may call: what they are, how they are loaded, run and answered. `tool` is for their authors.

`spec` says what a tool is, `schema` makes one of a Python function, `loading` finds them, `toolbox` knows them all.
`calls` is the state of every call, without I/O; `runner` runs them.
"""

from voicechat.tools.spec import tool

__all__ = ["tool"]
