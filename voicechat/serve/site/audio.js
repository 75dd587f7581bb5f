// Microphone and speaker: the two worklets, and the contexts that they run in.

export const RATE_HZ = 24000;

/** Blocks of 20 ms with their level. `gone` is called when the device goes. */
export class Microphone {
  static async open(take, gone) {
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
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
    await context.resume();
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => take(data);
    source.connect(node);
    stream.getTracks()[0].onended = gone;
    return new Microphone(stream, context);
  }

  constructor(stream, context) {
    this.stream = stream;
    this.context = context;
  }

  set muted(value) {
    for (const track of this.stream.getTracks()) track.enabled = !value;
  }

  close() {
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    return this.context.close();
  }
}

/** `played(item, ms)` and `finished(item)` tell what has left the speaker, as far as the browser knows its latency. */
export class Speaker {
  static async open(told) {
    const context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    await context.audioWorklet.addModule("/page/playback.js");
    await context.resume();
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

  /** Silence at once: how much was heard of each item that was cut short, in ms. */
  stop() {
    this.node.port.postMessage({ kind: "stop" });
    return new Promise((resolve) => this.stops.push(resolve));
  }

  take({ played, gaps, stopped, dropped, finished }) {
    this.gaps = gaps;
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
    return this.context.close();
  }
}
