"""An engine of our own: a realtime session in this process, with no key and no network.

Recogniser, answerer and synthesiser are three small protocols behind a session of the GA dialect, joined to the
client by an in-memory transport. It is a service like the others: nothing in `conversation` knows it.
"""
