"""Kept conversations: where they lie, what their lines say, the index to find them by, and their other forms.

A conversation is one file of JSON lines, which is the truth, and beside it the sound and the words to read. Nothing
here writes one (conversation/recording.py does, while it happens).
"""
