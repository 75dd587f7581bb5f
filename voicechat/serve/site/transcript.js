// The turns on the page: what was said, what is still to be heard, and struck through what never was.

import { SpokenText } from "./spoken.js";
import { say } from "./words.js";

export class Transcript {
  #list;
  #live;
  #turns = new Map(); // item: {line, spoken, cut}

  constructor(list, live) {
    this.#list = list;
    this.#live = live;
  }

  user(item, text, final) {
    const turn = this.#turn(item, "user");
    if (final) turn.spoken.text = "";
    turn.spoken.addText(text);
    if (final && !turn.spoken.text.trim()) return this.#remove(item);
    this.#draw(turn.line, "you", [turn.spoken.text.trim() || "…"]);
    if (final) this.#announce("you", turn.spoken.text);
  }

  assistant(item, delta, spoken) {
    const turn = this.#turn(item, "assistant");
    turn.spoken.addText(delta);
    if (!spoken) turn.heardMs = Infinity;
    this.#show(turn);
  }

  sound(item, ms) {
    this.#turn(item, "assistant").spoken.addAudio(ms);
  }

  played(item, ms) {
    const turn = this.#turns.get(item);
    if (!turn || turn.cut || ms < turn.heardMs) return;
    turn.heardMs = ms;
    this.#show(turn);
  }

  /** The item was heard to its end; its words. */
  heard(item) {
    return this.#end(item, Infinity, false);
  }

  /** Only its first `ms` were; the words of these. */
  cut(item, ms) {
    return this.#end(item, ms, true);
  }

  words(item) {
    return this.#turns.get(item)?.spoken.text ?? "";
  }

  clear() {
    this.#turns.clear();
    this.#list.replaceChildren();
    this.#live.textContent = "";
  }

  #end(item, ms, cut) {
    const turn = this.#turns.get(item);
    if (!turn) return "";
    Object.assign(turn, { heardMs: ms, cut });
    this.#show(turn);
    const words = turn.spoken.text.slice(0, turn.spoken.heard(ms));
    this.#announce("assistant", words);
    return words;
  }

  tool(name, given, output) {
    const line = this.#line("tool");
    line.textContent = `⚙ ${name}(${given === "{}" ? "" : given}) → ${JSON.stringify(output)}`;
    this.#scroll();
  }

  #turn(item, who) {
    if (!this.#turns.has(item)) {
      this.#turns.set(item, { line: this.#line(who), spoken: new SpokenText(), heardMs: 0, cut: false });
    }
    return this.#turns.get(item);
  }

  #line(who) {
    const line = document.createElement("li");
    line.className = who;
    this.#list.append(line);
    return line;
  }

  #remove(item) {
    this.#turns.get(item).line.remove();
    this.#turns.delete(item);
  }

  #show({ line, spoken, heardMs, cut }) {
    const end = spoken.heard(heardMs);
    const rest = document.createElement(cut ? "s" : "span");
    rest.className = cut ? "unheard" : "ahead";
    rest.textContent = spoken.text.slice(end);
    const parts = [spoken.text.slice(0, end), rest];
    if (cut) {
      rest.prepend(unseen(` (${say("notHeard")}:) `));
      const note = document.createElement("span");
      note.className = "note";
      note.textContent = say("interrupted", (heardMs / 1000).toFixed(1));
      parts.push(note);
    }
    this.#draw(line, "assistant", parts);
  }

  #draw(line, who, parts) {
    line.replaceChildren(unseen(`${say(who)}: `), ...parts);
    this.#scroll();
  }

  #announce(who, text) {
    this.#live.textContent = `${say(who)}: ${text}`;
  }

  #scroll() {
    const view = this.#list.parentElement;
    if (view.scrollHeight - view.scrollTop - view.clientHeight < 200) view.scrollTop = view.scrollHeight;
  }
}

function unseen(text) {
  const span = document.createElement("span");
  span.className = "unseen";
  span.textContent = text;
  return span;
}
