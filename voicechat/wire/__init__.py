"""How frames and requests travel: transports, TLS, proxies, addresses, the log of the wire, and when to try again."""
