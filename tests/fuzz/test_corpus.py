"""What the fuzzers start from, and whatever they have found, holds in every test run."""

from tests.fuzz import doubao, realtime, server, speech
from tests.fuzz.harness import replay


def test_the_corpus_of_the_realtime_codec() -> None:
    assert replay("realtime", realtime.check) >= 3


def test_the_corpus_of_the_server_half() -> None:
    assert replay("server", server.check) >= 3


def test_the_corpus_of_doubao() -> None:
    assert replay("doubao", doubao.check) >= 3


def test_the_corpus_of_speech() -> None:
    assert replay("speech", speech.check) >= 7
