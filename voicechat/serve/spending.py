"""What sessions cost: a service says what an answer took, the tables of prices what that comes to.

A token that may spend only so much opens models of a known price in its currency, and nothing else: a limit of which
nobody knows whether it is kept is none. The engine of this machine costs nothing unless the configuration says so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from voicechat.prices import price_of
from voicechat.realtime import events as ev
from voicechat.realtime.price import Price
from voicechat.serve import refusals
from voicechat.serve.costs import FindPrice
from voicechat.serve.metrics import Metrics
from voicechat.serve.models import Model
from voicechat.serve.tokens import Grant

log = logging.getLogger(__name__)

FREE = Price("", source="this machine")
"""Whatever is used."""


class Prices:
    """`own` are those of the configuration; each is looked up once."""

    def __init__(self, own: Mapping[str, Price]):
        self._own = own
        self._found: dict[tuple[str, str], Price | None] = {}

    async def of(self, model: Model, name: str = "") -> Price | None:
        """What `name`, another model at the same service, costs, or the model itself."""
        provider = model.service.provider
        name = name or provider.model
        if model.local and name not in self._own:
            return FREE
        key = (model.behind, name)
        if key not in self._found:
            if len(self._found) > 256:  # names are the clients' choice
                self._found.clear()
            self._found[key] = await price_of(name, "" if model.local else provider.request().url, self._own)
        return self._found[key]

    def finder(self, model: Model) -> FindPrice | None:
        """The same for `Costs`; None where nothing is charged for."""
        if model.local and model.service.provider.model not in self._own:
            return None

        async def find(name: str) -> Price | None:
            price = await self.of(model, name)
            return None if price is FREE else price

        return find


class Meter:
    """One session's costs. `charge` is told each, in the currency of `grant` where that may spend only so much.

    An answer that was given in full and whose cost cannot be computed counts as all that may be spent in a day.
    """

    def __init__(
        self,
        grant: Grant,
        label: str,
        metrics: Metrics,
        charge: Callable[[float], None],
        answers: Price | None,
        words: Callable[[str], Awaitable[Price | None]],
    ):
        self._grant = grant
        self._label = label
        self._metrics = metrics
        self._charge = charge
        self._answers = answers
        self._price_of = words
        self._transcriber = ""
        """The model that writes down what the client says, where the service tells."""
        self._words: asyncio.Future[Price | None] | None = None
        self._told = ""
        """The answer whose use was told last."""
        self._owing = ""
        """An answer that was given in full, and of which nobody has said what it took."""

    def take(self, event: ev.Event) -> None:
        match event:
            case ev.ResponseStarted():
                self.end()
            case ev.UsageReported():  # mostly after the answer's end
                self._owing = "" if self._owing == event.response_id else self._owing
                self._told = event.response_id
                self._take(event.usage, self._answers, lost=True)
            case ev.ResponseFinished(usage=None):
                if event.status == "completed" and event.response_id != self._told:
                    self._owing = event.response_id
            case ev.ResponseFinished():
                self._take(event.usage, self._answers, lost=event.status == "completed")
            case ev.SessionConfigured() if event.transcriber != self._transcriber:
                self._transcriber = event.transcriber
                self._words = asyncio.ensure_future(self._price_of(event.transcriber))
            case ev.UserTranscript(usage=usage) if usage is not None:
                if self._words is None:
                    self._take(usage, None, lost=True)
                else:  # a price that is looked up may take a moment
                    self._words.add_done_callback(lambda found: self._take(usage, found.result(), lost=True))

    def end(self) -> None:
        """Nothing more will be said of the last answer."""
        if self._owing:
            self._owing = ""
            self._take(None, self._answers, lost=True)

    def _take(self, usage: ev.Usage | None, price: Price | None, *, lost: bool) -> None:
        cost = 0.0 if price is FREE else None if price is None or usage is None else price.cost(usage)
        if cost is not None and price is not None:
            if price is not FREE:
                self._metrics.cost.labels(self._label, price.currency).inc(cost)
        elif lost:
            self._metrics.unpriced.labels(self._label).inc()
        if self._grant.spend_per_day is None:
            return
        foreign = price is not None and price is not FREE and price.currency != self._grant.currency
        if foreign or (cost is None and lost):
            log.warning("an answer of %s cannot be priced: %s may spend no more today", self._label, self._grant.name)
            cost = self._grant.spend_per_day
        self._charge(cost or 0.0)


async def meter_for(
    prices: Prices, model: Model, grant: Grant, metrics: Metrics, charge: Callable[[float], None]
) -> Meter:
    """Raises Refusal for a model whose price is not known to a token that may spend only so much."""
    answers = await prices.of(model)
    known = answers is not None and (answers is FREE or answers.currency == grant.currency)
    if grant.spend_per_day is not None and not known:
        raise refusals.price_unknown(model.name)
    return Meter(grant, model.label, metrics, charge, answers, lambda name: prices.of(model, name))
