"""Measurements, each a program of its own with its command in its head. Nothing imports this package but itself."""
