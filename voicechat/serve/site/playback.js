// In the audio thread: plays blocks at 24 kHz and counts, to the sample, what was played of each item.

const CUSHION = 0.06 * sampleRate; // so much must be there before an answer begins, or goes on after a gap
const REPORT = 0.05 * sampleRate;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = []; // {item, samples}
    this.at = 0; // in the first of them
    this.waiting = 0; // samples in the queue
    this.running = false;
    this.paused = false;
    this.fading = ""; // what comes after the block that fades out: "pause" or "stop"
    this.rising = false;
    this.played = new Map(); // item: samples
    this.unreported = 0;
    this.gaps = 0;
    this.port.onmessage = ({ data }) => this[data.kind](data);
  }

  add({ item, pcm }) {
    const samples = new Int16Array(pcm);
    this.queue.push({ item, samples });
    this.waiting += samples.length;
    if (!this.played.has(item)) this.played.set(item, 0);
  }

  // Everything of the item has been added: what is too short for the cushion is played, too.
  complete({ item }) {
    this.queue.push({ item, end: true });
    this.running = true;
  }

  // Silence within one block. What was not played is given up, and whose it was is told.
  stop() {
    if (this.running && this.waiting > 0 && !this.paused) this.fading = "stop";
    else this.dropAll();
  }

  // The same, but it will go on where it stopped, or be stopped.
  pause() {
    if (this.fading !== "stop") this.fading = "pause";
  }

  resume() {
    this.rising = this.paused;
    this.paused = false;
    if (this.fading === "pause") this.fading = "";
  }

  dropAll() {
    const dropped = [...new Set(this.queue.filter((one) => one.samples).map((one) => one.item))];
    this.queue = [];
    this.at = this.waiting = 0;
    this.running = this.paused = this.rising = false;
    this.fading = "";
    this.report({ stopped: true, dropped });
    for (const item of dropped) this.played.delete(item);
  }

  report(more = {}) {
    this.unreported = 0;
    this.port.postMessage({ played: [...this.played], waiting: this.waiting, gaps: this.gaps, ...more });
  }

  // Items that have ended at the head of the queue.
  ended() {
    while (this.queue[0]?.end) {
      const { item } = this.queue.shift();
      this.report({ finished: item });
      this.played.delete(item);
      if (!this.queue.length) this.running = false;
    }
  }

  process(_, [output]) {
    const out = output[0];
    if (!this.running && this.waiting >= CUSHION) {
      this.running = true;
      this.unreported = REPORT; // that it begins is told at once
    }
    if (this.paused || !this.running) {
      if (this.fading === "stop") this.dropAll();
      this.paused ||= this.fading === "pause";
      this.fading = "";
      return true;
    }
    let filled = 0;
    for (this.ended(); filled < out.length && this.queue.length; this.ended()) {
      const { item, samples } = this.queue[0];
      const count = Math.min(out.length - filled, samples.length - this.at);
      for (let n = 0; n < count; n++) out[filled + n] = samples[this.at + n] / 32768;
      filled += count;
      this.at += count;
      this.waiting -= count;
      this.played.set(item, this.played.get(item) + count);
      if (this.at === samples.length) {
        this.queue.shift();
        this.at = 0;
      }
    }
    if (filled < out.length && this.running && !this.queue.length) {
      this.running = false; // more is on its way, and late
      this.gaps += 1;
    }
    if (this.rising) for (let n = 0; n < out.length; n++) out[n] *= n / out.length;
    if (this.fading) for (let n = 0; n < out.length; n++) out[n] *= 1 - n / out.length;
    this.rising = false;
    if (this.fading === "stop") this.dropAll();
    this.paused = this.fading === "pause";
    this.fading = "";
    this.unreported += filled;
    if (this.unreported >= REPORT) this.report();
    return true;
  }
}

registerProcessor("playback", Playback);
