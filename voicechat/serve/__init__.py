"""`voicechat serve`: one voice gateway in front of every engine and service.

`server` listens, `app` routes, `realtime` holds one client's session, `relay` joins it to what stands behind.
`models` says what is served, `tokens` who may, `refusals` how a no sounds.
"""
