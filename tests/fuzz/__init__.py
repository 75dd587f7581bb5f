"""Decoders fed with anything: `python -m tests.fuzz.realtime --seconds 600`; every test run replays the corpus."""
