// Somebody begins to speak over an answer: it is silent at once, and goes on if it was nothing. The server decides.

const LOUD = 0.012; // of full scale: quieter than any voice before a microphone, louder than what echo cancelling leaves
const OVER_NOISE = 5; // times the room's noise
const RISE = 1.01; // a block: noise that lasts is the room's after some seconds
const SUSPICION = 2; // blocks of 20 ms
const DECIDE_MS = 600;
const LONGEST_MS = 2000;

export class Onset {
  #noise = 1e-3;
  #loud = 0;
  #pausedAt = null;
  #loudAt = 0;

  /** One block's level; `audible`: an answer is heard. "pause", "resume", or "" for nothing. */
  hear(level, audible, now) {
    this.#noise = level < this.#noise ? level : Math.min(0.2, Math.max(this.#noise, 1e-4) * RISE);
    const loud = level > Math.max(LOUD, OVER_NOISE * this.#noise);
    if (loud) this.#loudAt = now;
    if (this.#pausedAt !== null) {
      const undecided = now - this.#loudAt < DECIDE_MS && now - this.#pausedAt < LONGEST_MS;
      if (undecided) return "";
      this.clear();
      return "resume";
    }
    this.#loud = loud && audible ? this.#loud + 1 : 0;
    if (this.#loud < SUSPICION) return "";
    this.#pausedAt = now;
    return "pause";
  }

  /** It was decided. */
  clear() {
    this.#pausedAt = null;
    this.#loud = 0;
  }
}
