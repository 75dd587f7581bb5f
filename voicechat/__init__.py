"""Talk with any realtime speech model from a terminal."""

__version__ = "0.1.0"
