"""Unmodified clients that are too heavy for the tests, each in an environment of its own."""
