"""The heart: what is said between us and a service, who may speak, and what was heard.

`events` come from a service, `commands` go to it, `notices` go to the views; all three are plain values.
`session` is the only writer of state. Imports `audio` and `providers`; never `cli` or `ui`.
"""
