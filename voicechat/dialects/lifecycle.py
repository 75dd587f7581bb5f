"""Names and brackets for services that are careless with them: the ids of `realtime.events` are made true here.

`Inputs` names the user's items, `Responses` the answers; both make a name up (`~response-1`) where the service gives
none, or one that is used up, or that is ours to give. A made-up name never goes out on the wire.
"""

from collections import deque
from dataclasses import dataclass

from voicechat.dialects.fields import Recent
from voicechat.realtime import events as ev
from voicechat.realtime.commands import OUR_NAMES

_MADE_UP = "~"
_OURS = (_MADE_UP, *OUR_NAMES)
UNCONFIRMED = 64
"""So many of our own items may wait for the service's word about them."""


class Names:
    """What we call things and what the service does."""

    def __init__(self) -> None:
        self._count = 0
        self._wire: Recent[str] = Recent()
        self._ours: Recent[str] = Recent()
        self._given: Recent[bool] = Recent()

    def give(self, name: str, *, told: bool) -> None:
        """We call a new item of ours so. `told`: and so does the service; else it has a name of its own for it."""
        self._given[name] = told
        if not told:
            self._wire[name] = ""

    def of(self, kind: str, wire: str) -> str:
        """What we call a new thing of the service's: the same, unless that is no name, or might be one of ours."""
        ours = not wire or wire.startswith(_OURS) or wire in self._given
        return self.new(kind, wire) if ours else wire

    def new(self, kind: str, wire: str = "") -> str:
        """A name of our own; `wire` is what the service calls it, "" when it does not."""
        self._count += 1
        name = f"{_MADE_UP}{kind}-{self._count}"
        self.call(name, wire)
        return name

    def call(self, name: str, wire: str) -> None:
        """The service calls `wire` what we call `name`."""
        if wire and wire != self.wire(name):
            self._wire[name], self._ours[wire] = wire, name

    def ours(self, wire: str) -> str:
        """What we call the latest thing that the service calls `wire`; "" for ""."""
        told = not wire or self._given.get(wire, False)
        return self._ours.get(wire) or (wire if told else self.of("item", wire))

    def wire(self, name: str) -> str:
        """What the service calls `name`; "" when it has no word for it."""
        return self._wire.get(name, "" if name.startswith(_MADE_UP) else name)


@dataclass(slots=True, eq=False)
class _Sent:
    """An item of ours that the service has not confirmed."""

    name: str
    spoken: bool
    speech: str = ""
    """What the service called the speech that we ended, when it had heard it begin."""


class Inputs:
    """The user's items. The service confirms ours in the order they were sent, those of one kind at least."""

    def __init__(self, names: Names):
        self._names = names
        self._known: Recent[str] = Recent()  # the service's id → ours
        self._committed: Recent[bool] = Recent()  # ours; true: and its words are all there
        self._told: Recent[bool] = Recent()  # ours, whose words are all there
        self._sent: deque[_Sent] = deque(maxlen=UNCONFIRMED)
        self._speech = ""  # heard by the service, and not committed yet
        self._speaking = False  # and not stopped
        self._answered = True  # the newest of them
        self._heard = ""  # whose words come without a name
        self._early: deque[str] = deque(maxlen=UNCONFIRMED)  # whose words came so before they were committed
        self._newest = ""
        self._asked: str | None = None

    # -- what we do --------------------------------------------------------------------------------------------

    def send(self, name: str, *, spoken: bool, told: bool = False) -> str:
        """We make a user item of this name ("": any), which is returned. Spoken: of what was said so far.

        `told`: the service is asked to call it so as well.
        """
        if name:
            self._names.give(name, told=told)
        speech = self._speech if spoken else ""
        self._newest = name or speech or self._names.new("input")
        self._sent.append(_Sent(self._newest, spoken, speech))
        if spoken:
            self._speech = ""
        return self._newest

    def ask(self) -> None:
        """We ask for an answer to what there is now."""
        self._asked = self._newest

    def not_answered(self) -> None:
        """What we asked for was refused."""
        self._asked = None

    def not_taken(self, name: str = "") -> None:
        """This item of ours was refused; "": our oldest spoken one."""
        refused = [item for item in self._sent if item.name == name or (not name and item.spoken)]
        for item in refused[:1]:
            self._sent.remove(item)

    # -- what the service says ---------------------------------------------------------------------------------

    def speech_started(self, wire: str) -> str:
        name = self._known.get(wire) or (self._names.of("input", wire) if wire else self._speech)
        if not name or name in self._committed or (name == self._speech and not self._speaking):
            name = self._names.new("input", wire)  # without a name, or it begins to number afresh
        self._know(wire, name)
        self._speech = self._newest = name
        self._speaking, self._answered = True, False
        return name

    def speech_stopped(self, wire: str) -> str:
        name = self._known.get(wire) or self._names.ours(wire) or self._speech or self._newest
        name = name or self.speech_started(wire)
        self._speaking = False
        return name

    def speaking(self) -> str:
        """Whose words come now, if the service does not say: the oldest turn's that we ended, else the next one's."""
        return self.unconfirmed or self._speech or self.speech_started("")

    @property
    def unconfirmed(self) -> str:
        """The oldest turn that we ended and the service has not said a word about."""
        return next((sent.name for sent in self._sent if sent.spoken), "")

    def known(self, wire: str) -> str:
        """What we call the item, "" when it is none of the user's."""
        return self._known.get(wire, "")

    def committed(self, wire: str) -> str:
        """Spoken words are an item now: of a turn that the service found, or one that we ended."""
        name = self._known.get(wire) or ("" if wire else self._speech)
        if not name and not wire and self._early:
            return self._early.popleft()
        ended = next((sent for sent in self._sent if sent.spoken), None)
        if not name or (ended is not None and ended.speech == name):
            sent = self._confirm(spoken=True)
            if sent is None and not wire and self._committed and not self._answered:
                return next(reversed(self._committed))  # told twice
            name = sent.name if sent else self._names.of("input", wire)
            self._know(wire, name)
            if sent is None:
                self._newest, self._answered = name, False
        elif name == self._speech:  # a turn that the service found is complete: that is what it answers next
            self._newest, self._asked = name, None
        self._speech = ""
        if name not in self._committed:
            self._committed[name] = name in self._told
        return name

    def added(self, wire: str, *, spoken: bool | None) -> str:
        """A user item entered the conversation; a spoken one was mostly committed before. None: nobody says."""
        if name := self._known.get(wire):
            return name
        if spoken and not wire and (name := self._speech or next(reversed(self._committed), "")):
            return name
        if spoken is None:
            spoken = bool(self._sent) and self._sent[0].spoken
        sent = self._confirm(spoken=spoken, wire=wire)
        if sent is None and not wire and self._newest:
            return self._newest  # told twice
        name = sent.name if sent else self._names.of("input", wire)
        self._know(wire, name)
        if sent is None:
            self._newest = name
        return name

    def words(self, wire: str, *, final: bool) -> str:
        """Whose words these are. Without a name: of the newest item that waits for some.

        Those of a turn that we ended may come before the word that it is an item, which may never come.
        """
        name = self._known.get(wire, "") if wire else self._heard
        if not name and not wire:
            name = next((known for known, told in reversed(self._committed.items()) if not told), "")
        ended = next((sent for sent in self._sent if sent.spoken), None)
        if ended is not None and (not name or name == ended.speech):
            self._sent.remove(ended)
            name = ended.name
            self._committed[name] = False
            if wire:
                self._know(wire, name)
            else:
                self._early.append(name)
        name = name or self._names.ours(wire) or self._speech or self._newest or self._names.new("input")
        if not wire:
            self._heard = "" if final else name
        if final:
            self._told[name] = True
            if name in self._committed:
                self._committed[name] = True
        return name

    def answered(self) -> str:
        """What a response that begins now answers: what we asked about, else the newest there is."""
        asked, self._asked = self._asked, None
        self._speaking, self._answered = False, True
        return self._newest if asked is None else asked

    def _confirm(self, *, spoken: bool, wire: str = "") -> _Sent | None:
        """The item of ours that the service calls as we told it to, else the oldest of this kind.

        What was typed before spoken words has been taken without a word.
        """
        named = next((item for item in self._sent if wire and self._names.wire(item.name) == wire), None)
        sent = named or next((item for item in self._sent if item.spoken is spoken), None)
        if sent is None:
            return None
        while spoken and self._sent[0] is not sent:
            self._sent.popleft()
        self._sent.remove(sent)
        return sent

    def _know(self, wire: str, name: str) -> None:
        if wire:
            self._known[wire] = name
            self._names.call(name, wire)


@dataclass(slots=True, eq=False)
class _Running:
    name: str
    wire: str
    out_of_band: bool
    announced: bool
    begun: bool = False
    """Some piece of it has come."""
    item: str = ""
    """The item of its last piece."""
    cancelled: bool = False


class Responses:
    """Which response a frame is about, with its one beginning and its one end."""

    def __init__(self, names: Names, inputs: Inputs):
        self._names = names
        self._inputs = inputs
        self.latest = ""
        """The response that began last, by our name."""
        self._running: dict[str, _Running] = {}  # by our name, oldest first
        self._known: Recent[str] = Recent()  # the service's id → ours, of its last use
        self._unannounced: Recent[bool] = Recent()  # the service's ids of those that ended so: the word may be late
        self._items: Recent[tuple[str, str]] = Recent()  # the service's id of an item → response, our name

    def started(self, wire: str, *, out_of_band: bool = False) -> list[ev.Event]:
        """The service announces a response. One that still runs has been forgotten, unless this is no part of it."""
        running = self._find(wire)
        if running is not None and (wire or not running.begun):
            return [ev.Ignored("a second beginning of a response")]
        if running is None and self._unannounced.pop(wire, False):
            return [ev.Ignored("a late beginning of a response")]
        return self._begin(wire, out_of_band=out_of_band, announced=True)

    def piece(self, wire: str, item: str = "", *, last: bool = False) -> tuple[str, list[ev.Event]]:
        """The response that a piece belongs to, "" for one that is over; with its beginning, if nobody announced it.

        `item`: the service's id of the item that it is of, which tells where the response's is missing. `last`: the
        piece only ends something, so that without a name it begins nothing.
        """
        owner = "" if wire else self._items.get(item, ("", ""))[0]
        running = self._running.get(owner) or self._adopt(wire)
        if owner and (running is None or (running.name != owner and running.begun)):
            # While another has no piece yet, it may be of that: a service may call the items of all answers the same.
            return "", [ev.Ignored("a late piece of a response")]
        if running is not None:
            running.begun = True
            return running.name, []
        if wire in self._known or (last and not wire):
            return "", [ev.Ignored("a late piece of a response")]
        events = self._begin(wire)
        self._running[self.latest].begun = True
        return self.latest, events

    def item(self, response: str, wire: str) -> str:
        """The item of this response that the service calls `wire`; "": the same as in the piece before."""
        running = self._running[response]
        if wire:
            owner, name = self._items.get(wire, ("", ""))
            if owner != response:
                # No two responses share an item.
                name = self._names.new("item", wire) if owner else self._names.of("item", wire)
                self._items[wire] = (response, name)
            running.item = name
        elif not running.item:
            running.item = self._names.new("item")
        return running.item

    def over(self, wire: str) -> bool:
        """Whether this response has ended; without a name: whether none runs."""
        return self._find(wire) is None and (not wire or wire in self._known)

    def finished(self, wire: str) -> tuple[str, list[ev.Event]]:
        """The response that ends, "" for one that has ended already; with its beginning, if that is all it has."""
        running = self._adopt(wire)
        if running is not None:
            self._forget(running)
            return running.name, []
        if self.over(wire):
            return "", [ev.Ignored("a second end of a response")]
        events = self._begin(wire)
        self._forget(self._running[self.latest])
        return self.latest, events

    def cancelled(self, name: str) -> None:
        """We tell the service to stop this one; "": whatever runs."""
        for running in self._running.values():
            running.cancelled = running.cancelled or name in ("", running.name)

    def nothing_to_cancel(self) -> list[ev.Event]:
        """What we cancelled does not run any more, the service says: its end was forgotten."""
        return self._end([running for running in self._running.values() if running.cancelled])

    def _find(self, wire: str) -> _Running | None:
        if wire:
            return self._running.get(self._known.get(wire, ""))
        newest_first = list(reversed(self._running.values()))
        return next((running for running in newest_first if not running.out_of_band), next(iter(newest_first), None))

    def _adopt(self, wire: str) -> _Running | None:
        """As `_find`; a running response without the service's name takes a name that is new."""
        running = self._find(wire)
        if running is None and wire and wire not in self._known:
            running = self._find("")
            if running is None or running.wire:
                return None
            running.wire = wire
            self._known[wire] = running.name
            self._names.call(running.name, wire)
        return running

    def _begin(self, wire: str, *, out_of_band: bool = False, announced: bool = False) -> list[ev.Event]:
        events: list[ev.Event] = []
        if not out_of_band:
            events = self._end([running for running in self._running.values() if not running.out_of_band])
        used_up = wire in self._known
        name = self._names.new("response", wire) if used_up else self._names.of("response", wire)
        if wire:
            self._known[wire] = name
        self._running[name] = _Running(name, wire, out_of_band, announced)
        self.latest = name
        answers = "" if out_of_band else self._inputs.answered()
        return [*events, ev.ResponseStarted(name, answers, out_of_band)]

    def _forget(self, running: _Running) -> None:
        del self._running[running.name]
        if running.wire and not running.announced:
            self._unannounced[running.wire] = True

    def _end(self, forgotten: list[_Running]) -> list[ev.Event]:
        for running in forgotten:
            self._forget(running)
        return [ev.ResponseFinished(running.name, "incomplete") for running in forgotten]
