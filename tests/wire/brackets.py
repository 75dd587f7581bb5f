"""What the vocabulary promises of ids and brackets, whatever a service does."""

from collections.abc import Iterable
from dataclasses import fields

from voicechat.realtime import events as ev

PIECES = (ev.AssistantAudio, ev.AssistantAudioDone, ev.AssistantText, ev.AssistantTextDone, ev.ToolCall)


def check(events: Iterable[ev.Event], *, all_end: bool = True) -> dict[str, list[ev.Event]]:
    """The events of each response, once its promises are found kept. `all_end`: every one has ended."""
    told: dict[str, list[ev.Event]] = {}
    ended: set[str] = set()
    items: dict[str, str] = {}
    calls: set[str] = set()
    for event in events:
        for field in fields(event):
            if field.name.endswith("_id") and field.name != "session_id":
                assert getattr(event, field.name), f"an empty {field.name}: {event}"
        if isinstance(event, ev.ResponseStarted):
            assert event.response_id not in told, f"announced twice: {event}"
            told[event.response_id] = [event]
        elif isinstance(event, (*PIECES, ev.ResponseFinished)):
            assert event.response_id in told, f"never announced: {event}"
            assert event.response_id not in ended, f"over already: {event}"
            told[event.response_id].append(event)
        if isinstance(event, PIECES):
            assert items.setdefault(event.item_id, event.response_id) == event.response_id, f"a shared item: {event}"
        if isinstance(event, ev.ToolCall):
            assert event.call_id not in calls, f"called twice: {event}"
            calls.add(event.call_id)
        if isinstance(event, ev.ResponseFinished):
            ended.add(event.response_id)
    assert not all_end or ended == set(told)
    return told
