"""How a session is opened, by value."""

from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.opening import Opening

CONFIG = cmd.SessionConfig(voice="Cherry", instructions="be brief")


def test_a_service_that_speaks_first_is_configured_when_it_has_spoken() -> None:
    opening = Opening(CONFIG, service_speaks_first=True)
    assert opening.begin() == []
    assert opening.take(ev.SessionCreated("s")) == [cmd.Configure(CONFIG)]
    assert opening.take(ev.SessionConfigured("Tina")) == []
    assert (opening.done, opening.voice) == (True, "Tina")


def test_one_that_waits_is_configured_at_once_and_only_once() -> None:
    opening = Opening(CONFIG, service_speaks_first=False)
    assert opening.begin() == [cmd.Configure(CONFIG)]
    assert opening.take(ev.SessionCreated("s")) == []
    opening.take(ev.SessionConfigured())
    assert (opening.done, opening.voice) == (True, "Cherry")


def test_a_refused_voice_is_not_asked_for_again() -> None:
    opening = Opening(CONFIG, service_speaks_first=True)
    opening.take(ev.SessionCreated("s"))
    (again,) = opening.take(ev.ConfigureAgain("unknown voice", voice_dropped="Cherry"))
    assert isinstance(again, cmd.Configure)
    assert (again.config.voice, again.config.instructions) == ("", "be brief")
    assert (opening.voice, opening.refused_voice, opening.done) == ("", "Cherry", False)
    assert opening.take(ev.ConfigureAgain("another form")) == [cmd.Configure(again.config)]
