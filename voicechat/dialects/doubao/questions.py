"""The user's side of a dialogue: whose words come, and when they are an item of the conversation.

The service says nothing of a turn's item but, perhaps, a question id; where we end the turns it may leave out even
the announcement (450), so that only the order tells whose words these are.
"""

from voicechat.dialects.fields import Json, mappings, text
from voicechat.dialects.lifecycle import Inputs
from voicechat.realtime import events as ev


class Questions:
    """`by_service`: the service finds the turns, and says where one begins."""

    def __init__(self, inputs: Inputs):
        self.by_service = False
        self.heard: str | None = None
        """What was understood of the turn so far; None between turns."""
        self._inputs = inputs
        self._begun = False
        self._wire = ""  # the service's id of the speech
        self._speech = ""  # ours, where the service finds the turns

    def begins(self, question_id: str) -> list[ev.Event]:
        """450: the barge-in. Where we end the turns we have also begun this one."""
        self._wire, self.heard, self._begun = question_id, "", True
        if not self.by_service:
            return []
        self._speech = self._inputs.speech_started(question_id)
        return [ev.SpeechStarted(self._speech)]

    def unannounced(self, fields: Json) -> bool:
        """Whether these words (451) are the first sign of a turn that the service finds; final ones may be late."""
        results = mappings(fields, "results")
        return self.by_service and not self._begun and bool(results) and results[0].get("is_interim") is True

    def words(self, fields: Json) -> list[ev.Event]:
        """451: always the whole utterance so far. It is final when the turn ends, whatever it says of itself."""
        results = mappings(fields, "results")
        if not results:
            return []
        words = text(results[0], "text")
        if not words:
            words = "".join(text(choice, "text") for choice in mappings(results[0], "alternatives")[:1])
        self.heard = words or self.heard or ""
        item_id = self._speech if self.by_service and self._speech else self._inputs.speaking()
        return [ev.UserTranscript(item_id, self.heard, False)]

    def ends(self) -> list[ev.Event]:
        """The turn is an item now, if there is one. Where we ended it, only this says which question it is."""
        self._begun = False
        if self.heard is None and not self._inputs.unconfirmed:
            return []
        item_id = self._inputs.committed(self._wire)
        heard, self.heard, self._wire = self.heard, None, ""
        words = [] if heard is None else [ev.UserTranscript(item_id, heard, True)]
        return [*words, ev.SpeechStopped(item_id), ev.InputCommitted(item_id)]
