// The last seconds of the microphone: what a connection that went may not have heard, the next one is told.

const KEPT_MS = 30_000;

export class Recent {
  #blocks = []; // {pcm, at}

  add(pcm, at) {
    this.#blocks.push({ pcm, at });
    while (this.#blocks[0].at < at - KEPT_MS) this.#blocks.shift();
  }

  between(from, to) {
    return this.#blocks.filter(({ at }) => at >= from && at <= to).map(({ pcm }) => pcm);
  }
}
