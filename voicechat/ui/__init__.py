"""The views: the live terminal, plain lines, JSON lines.

They are told notices and never touch the conversation's state.
"""
