// Microphone and speaker: the two worklets, and the contexts that they run in.

export const RATE_HZ = 24000;

/** `paused(true)` when the browser has stopped a context by itself (a call, a device that went), then `paused(false)`. */
function watch(context, paused) {
  context.onstatechange = () => paused(!["running", "closed"].includes(context.state));
}

/** Running, unless the browser waits for a gesture. */
async function begin(context) {
  await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 1000))]);
}

/** Blocks of 20 ms with their level. `told`: `take(block)`, `gone()` with the device, `silent(whether)` by the system. */
export class Microphone {
  static async open({ headphones }, told) {
    const wanted = { echoCancellation: !headphones, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    let context, source;
    try {
      context = new AudioContext({ sampleRate: RATE_HZ });
      source = context.createMediaStreamSource(stream);
    } catch { // some browsers do not convert: the worklet does
      await context?.close();
      context = new AudioContext();
      source = context.createMediaStreamSource(stream);
    }
    await context.audioWorklet.addModule("/page/capture.js");
    await begin(context);
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => told.take(data);
    source.connect(node);
    watch(context, told.paused);
    const [track] = stream.getTracks();
    track.onended = told.gone;
    track.onmute = () => told.silent(true);
    track.onunmute = () => told.silent(false);
    return new Microphone(stream, context);
  }

  constructor(stream, context) {
    this.stream = stream;
    this.context = context;
  }

  unlock() {
    return this.context.resume();
  }

  set muted(value) {
    for (const track of this.stream.getTracks()) track.enabled = !value;
  }

  close() {
    for (const track of this.stream.getTracks()) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    this.context.onstatechange = null;
    return this.context.close();
  }
}

/** `played(item, ms)` and `finished(item)` tell what has left the speaker, as far as the browser knows its latency. */
export class Speaker {
  static async open(told) {
    const context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    await context.audioWorklet.addModule("/page/playback.js");
    await begin(context);
    return new Speaker(context, told);
  }

  constructor(context, told) {
    this.context = context;
    this.told = told;
    this.gaps = 0;
    this.stops = [];
    this.node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }) => this.take(data);
    this.node.connect(context.destination);
    this.waiting = 0; // samples
    watch(context, told.paused);
    if (context.state !== "running") told.paused(true);
  }

  get audible() {
    return this.waiting > 0 && this.context.state === "running";
  }

  /** Where the browser has stopped it: it takes a gesture. */
  unlock() {
    return this.context.resume();
  }

  get latencyMs() {
    return 1000 * ((this.context.outputLatency || 0) + (this.context.baseLatency || 0));
  }

  add(item, pcm) {
    this.node.port.postMessage({ kind: "add", item, pcm }, [pcm]);
  }

  complete(item) {
    this.node.port.postMessage({ kind: "complete", item });
  }

  /** Silence at once, to go on or to be stopped. */
  pause() {
    this.node.port.postMessage({ kind: "pause" });
  }

  resume() {
    this.node.port.postMessage({ kind: "resume" });
  }

  /** Silence at once: how much was heard of each item that was cut short, in ms. */
  stop() {
    this.node.port.postMessage({ kind: "stop" });
    return new Promise((resolve) => this.stops.push(resolve));
  }

  take({ played, waiting, gaps, stopped, dropped, finished }) {
    this.gaps = gaps;
    this.waiting = waiting;
    const heard = new Map(played.map(([item, count]) => [item, Math.max(0, (1000 * count) / RATE_HZ - this.latencyMs)]));
    if (stopped) {
      this.stops.shift()?.(new Map(dropped.map((item) => [item, Math.floor(heard.get(item) ?? 0)])));
    } else if (finished) {
      this.told.finished(finished);
    } else {
      for (const [item, ms] of heard) this.told.played(item, ms);
    }
  }

  close() {
    this.context.onstatechange = null;
    return this.context.close();
  }
}
