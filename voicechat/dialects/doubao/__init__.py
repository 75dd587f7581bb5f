"""Doubao's realtime dialogue (Volcengine, end-to-end speech): binary frames that carry numbered events.

`frames` knows bytes, `wire` the events' numbers, `session_shape` writes StartSession, `rounds` keeps the replies
apart, `errors` knows what a complaint means, `audio` decodes the forms of a reply's sound.
`codec` joins them. Facts: Volcengine's document 6561/1594356.
"""
