"""An engine of our own: a realtime session in this process, with no key and no network.

Recogniser, answerer and synthesiser are three small protocols behind a session that takes commands and gives events,
joined to the client by an in-memory transport. It speaks no dialect: whoever wants it on a wire puts the server's half
of one in front. It is a service like the others: nothing in `conversation` knows it.
"""
