// In the audio thread: the microphone at 24 kHz, s16le, in blocks of 20 ms with their level.

const RATE_HZ = 24000;
const BLOCK = RATE_HZ / 50;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.squares = 0;
    this.step = sampleRate / RATE_HZ; // samples in for one out: 1, unless the browser keeps the device's rate
    this.sum = 0;
    this.weight = 0;
  }

  process([input]) {
    const samples = input[0];
    if (samples) for (const sample of samples) this.take(sample);
    return true;
  }

  // Each sample out is the mean of the time that it stands for.
  take(sample) {
    let left = 1;
    while (this.weight + left >= this.step) {
      const part = this.step - this.weight;
      this.put((this.sum + sample * part) / this.step);
      left -= part;
      this.sum = this.weight = 0;
    }
    this.sum += sample * left;
    this.weight += left;
  }

  put(value) {
    const clipped = Math.max(-1, Math.min(1, value));
    this.squares += clipped * clipped;
    this.block[this.filled++] = Math.round(clipped * 32767);
    if (this.filled < BLOCK) return;
    const { block } = this;
    this.port.postMessage({ pcm: block.buffer, level: Math.sqrt(this.squares / BLOCK) }, [block.buffer]);
    this.block = new Int16Array(BLOCK);
    this.filled = this.squares = 0;
  }
}

registerProcessor("capture", Capture);
