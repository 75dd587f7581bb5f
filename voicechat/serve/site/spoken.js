// Which words of an answer were heard: each piece of its text is tied to the sound received with it.

export class SpokenText {
  text = "";
  audioMs = 0;
  #marks = []; // [ms, characters]: what follows is spoken after that point

  addText(delta) {
    if (!this.#marks.length || this.#marks.at(-1)[0] < this.audioMs) this.#marks.push([this.audioMs, this.text.length]);
    this.text += delta;
  }

  addAudio(ms) {
    this.audioMs += ms;
  }

  /** How many characters, whole words only (single signs in Chinese), were spoken within the first `heardMs`. */
  heard(heardMs) {
    if (heardMs >= this.audioMs) return this.text.length;
    const points = [...this.#marks, [this.audioMs, this.text.length]];
    let chars = 0;
    for (let n = 0; n + 1 < points.length; n++) {
      const [[from, first], [to, last]] = [points[n], points[n + 1]];
      if (heardMs >= to) chars = last;
      else if (heardMs > from) chars = first + ((last - first) * (heardMs - from)) / (to - from);
    }
    let end = Math.floor(chars);
    const blank = (at) => /\s/.test(this.text[at]);
    while (end > 0 && end < this.text.length && !(blank(end) || blank(end - 1) || this.text.charCodeAt(end - 1) > 0x2e80)) end--;
    return end;
  }
}
