// One conversation over the gateway's realtime protocol: what is said on it, and what is made of what comes.

import { RATE_HZ } from "./audio.js";
import { Line } from "./line.js";
import { Onset } from "./onset.js";
import { Recent } from "./recent.js";

const BYTES_PER_MS = (RATE_HZ * 2) / 1000;
const MOST_UNSENT = 2_000_000; // bytes: a network that stands still does not fill the memory
const LEAST_HELD_MS = 250; // a shorter press says nothing
const ONSET_MS = 700; // a turn is known to have begun some time after its first sound
// What needs no word of ours: a race that nobody loses, or the reason for a connection that is made again.
const HARMLESS = new Set([
  "response_cancel_not_active", "input_audio_buffer_commit_empty", "session_expired", "server_shutting_down",
]);
const TOOLS = [{
  type: "function", name: "current_time", description: "The date, time and time zone of the user.",
  parameters: { type: "object", properties: {} },
}];

const RUN = {
  current_time: () => ({ time: new Date().toString(), zone: Intl.DateTimeFormat().resolvedOptions().timeZone }),
};

/** `told` is whoever shows it; `heard` and `cut` give the words that were, `words` all that are known. */
export class Session {
  state = "connecting";
  #asked = { model: "", voice: "", instructions: "", push: false };
  #open = new Set(); // responses that have begun and not ended
  #silenced = new Set();
  #answers = new Map(); // item: {response, id, line, ms} of sound received
  #calls = 0; // tools whose results the model has yet to speak about
  #heldAt = null;
  #onset = new Onset();
  #recent = new Recent();
  #up = false;
  #turnFrom = performance.now(); // what was said since then nobody has understood yet; null: there is nothing
  #turnTo = null; // where the button was let go, while nobody listened
  #understanding = false; // somebody is speaking, or has, and the words are not known
  #owed = false; // an answer that nothing was heard of

  /** `reach()` gives a socket; `past` is what was said before. */
  constructor(asked, speaker, past, reach, told) {
    this.#asked = asked;
    this.speaker = speaker;
    this.past = past;
    this.told = told;
    const over = (message) => told.closed(message);
    this.line = new Line(reach, { event: (event) => this.#take(event), lost: () => this.#lost(), over });
  }

  // what the user does

  hear({ pcm, level }) {
    const now = performance.now();
    this.#recent.add(pcm, now);
    const free = !this.#asked.push;
    if (free && this.#answers.size) this.#suspect(this.#onset.hear(level, this.speaker.audible, now));
    else this.#onset.hear(level, false, now);
    if (!this.#up || !(free || this.#heldAt !== null)) return;
    if ((this.line.socket?.bufferedAmount ?? 0) < MOST_UNSENT) this.#append(pcm);
  }

  #suspect(verdict) {
    if (verdict === "pause") this.speaker.pause();
    else if (verdict === "resume") this.speaker.resume();
  }

  hold() {
    if (this.#heldAt !== null) return;
    this.interrupt();
    this.line.send("input_audio_buffer.clear");
    this.#heldAt = this.#turnFrom = performance.now();
    this.#turnTo = null;
    this.#be("hearing");
  }

  release() {
    if (this.#heldAt === null) return;
    const now = performance.now();
    const long = now - this.#heldAt >= LEAST_HELD_MS;
    this.#heldAt = null;
    if (!long) {
      this.#turnFrom = null;
      return this.#be(this.#up ? "listening" : "reconnecting");
    }
    this.#turnTo = now;
    if (this.#up) this.line.send("input_audio_buffer.commit");
    this.#ask();
  }

  write(text) {
    this.interrupt();
    const id = `item_page${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
    this.told.user(id, text, true);
    this.past.tell(id, "user", text, { id });
    const content = [{ type: "input_text", text }];
    if (this.#up) this.line.send("conversation.item.create", { item: { id, type: "message", role: "user", content } });
    this.#ask();
  }

  change(asked) {
    Object.assign(this.#asked, asked);
    this.#heldAt = null;
    if (this.#up) this.#configure();
  }

  /** Silence at once, here and there; the model is told what was heard. */
  async interrupt({ cancelled = false } = {}) {
    this.#onset.clear();
    const stopped = this.speaker.stop();
    const answers = [...this.#answers];
    if (this.#open.size && !cancelled) this.line.send("response.cancel");
    for (const id of this.#open) this.#silenced.add(id);
    if (!cancelled) this.#owed = false;
    const cut = await stopped;
    for (const [key, { response, ms }] of answers) {
      if (!ms && this.#silenced.has(response) && !cut.has(key)) this.past.tell(key, "assistant", this.told.cut(key, 0));
    }
    for (const [key, ms] of cut) {
      const { id, line, ms: received } = this.#answers.get(key) ?? { ms: 0 };
      const heard = Math.min(ms, Math.floor(received));
      const place = { item_id: id, content_index: 0, audio_end_ms: heard };
      if (line === this.line.number) this.line.send("conversation.item.truncate", place);
      this.past.tell(key, "assistant", this.told.cut(key, heard));
    }
    for (const [key] of answers) this.#answers.delete(key);
    this.#rest();
  }

  /** An item has been played to its end. */
  finished(key) {
    if (!this.#answers.delete(key)) return;
    this.past.tell(key, "assistant", this.told.heard(key));
    this.#rest();
  }

  close() {
    this.line.close();
  }

  // the line

  #lost() {
    if (this.#up) {
      this.#up = false;
      this.#open.clear();
      this.#silenced.clear();
      this.#calls = 0;
      for (const [key, { response }] of this.#answers) {
        if (response) this.speaker.complete(key); // what was received is played to its end
      }
      this.#turnFrom ??= performance.now();
    }
    this.#be("reconnecting");
  }

  /** The session stands. It is told what was said, and asked for what was asked for. */
  #restore() {
    this.#up = true;
    this.line.up();
    for (const key of this.#answers.keys()) this.past.tell(key, "assistant", this.told.words(key));
    for (const item of this.past.items()) this.line.send("conversation.item.create", { item });
    const { push } = this.#asked;
    const from = this.#turnFrom ?? Infinity;
    if (!push || this.#heldAt !== null || this.#turnTo !== null) {
      for (const pcm of this.#recent.between(from, this.#turnTo ?? Infinity)) this.#append(pcm);
    }
    if (this.#turnTo !== null) this.line.send("input_audio_buffer.commit");
    this.#be(this.#heldAt === null ? "listening" : "hearing");
    if (this.#owed && (push ? this.#heldAt === null : !this.#understanding)) this.#ask();
    if (!push && !this.#understanding) this.#turnFrom = null;
  }

  // what the server says

  #take(event) {
    const key = event.item_id && this.#key(event.item_id);
    const part = this.#part(event, key);
    switch (event.type) {
      case "session.created":
        return this.#configure();
      case "session.updated":
        return this.#up || this.#restore();
      case "input_audio_buffer.speech_started":
        this.#turnFrom = performance.now() - ONSET_MS;
        this.#understanding = true;
        this.interrupt({ cancelled: true }); // by the server's own rule
        return this.#be("hearing");
      case "input_audio_buffer.speech_stopped":
        this.turnEndedAt = performance.now();
        this.#owed = true;
        return this.#be("thinking");
      case "input_audio_buffer.committed":
        this.past.begin(key, "user");
        return this.told.user(key, "", false);
      case "conversation.item.input_audio_transcription.delta":
        return this.told.user(key, event.delta, false);
      case "conversation.item.input_audio_transcription.completed":
        this.past.tell(key, "user", event.transcript);
        this.#understood();
        if (!event.transcript.trim()) this.#owed = false;
        return this.told.user(key, event.transcript, true);
      case "response.created":
        this.#open.add(event.response.id);
        if (this.state !== "hearing") this.#be("thinking");
        return;
      case "response.output_audio.delta":
        return part && this.#sound(event, key, part);
      case "response.output_audio_transcript.delta":
        return part && this.told.assistant(key, event.delta, true);
      case "response.output_text.delta":
        return part && this.told.assistant(key, event.delta, false);
      case "response.output_text.done":
        return part && this.finished(key);
      case "response.output_audio.done":
        return part && this.speaker.complete(key);
      case "response.function_call_arguments.done":
        return this.#call(event);
      case "response.done":
        return this.#done(event.response);
      case "voicechat.cost":
        return this.told.cost(this.line.number, event.session_cost, event.currency);
      case "error":
        if (!HARMLESS.has(event.error.code)) this.told.problem(event.error.message);
    }
  }

  /** Names of items are new with every connection, those that we gave are not. */
  #key(id) {
    return id.startsWith("item_page") ? id : `${this.line.number}:${id}`;
  }

  #understood() {
    this.#turnFrom = this.#turnTo = null;
    this.#understanding = false;
  }

  /** What is known of the item that the event is about; nothing when nobody wants to hear it any more. */
  #part({ response_id: response, item_id: id, type }, key) {
    if (!response || !/output_(audio|text)/.test(type) || this.#silenced.has(response)) return null;
    if (!this.#answers.has(key) && !type.endsWith(".done")) {
      this.#answers.set(key, { response, id, line: this.line.number, ms: 0 });
      this.past.begin(key, "assistant");
      this.#owed = false;
      if (this.state !== "hearing") this.#understood();
    }
    return this.#answers.get(key) ?? null;
  }

  #sound(event, key, part) {
    const { buffer } = Uint8Array.from(atob(event.delta), (sign) => sign.charCodeAt(0));
    const ms = buffer.byteLength / BYTES_PER_MS;
    part.ms += ms;
    this.told.sound(key, ms);
    this.speaker.add(key, buffer);
    if (this.state !== "hearing") this.#be("speaking");
  }

  #call({ call_id, name, arguments: given }) {
    const output = RUN[name]?.() ?? { error: "this page has no such tool" };
    this.told.tool(name, given, output);
    this.#calls += 1;
    const text = JSON.stringify(output);
    this.past.tell(call_id, "tool", text, { call: { call_id, name, arguments: given } });
    this.line.send("conversation.item.create", { item: { type: "function_call_output", call_id, output: text } });
  }

  #done(response) {
    this.#open.delete(response.id);
    this.#silenced.delete(response.id);
    if (response.usage) this.told.usage(response.usage.total_tokens);
    if (response.status === "failed") this.told.problem(response.status_details?.error?.message || "failed");
    if (this.#calls) {
      this.#calls = 0;
      if (response.status === "completed") return this.#ask();
    }
    if (response.status !== "incomplete") this.#owed = false;
    this.#rest();
  }

  #rest() {
    if (!this.#open.size && !this.#answers.size && ["thinking", "speaking"].includes(this.state)) this.#be("listening");
  }

  #ask() {
    this.turnEndedAt = performance.now();
    this.#owed = true;
    if (!this.#up) return this.#be(this.line.number ? "reconnecting" : "connecting");
    this.line.send("response.create");
    this.#be("thinking");
  }

  #append(pcm) {
    this.line.send("input_audio_buffer.append", { audio: btoa(String.fromCharCode(...new Uint8Array(pcm))) });
  }

  #configure() {
    const { voice, instructions, push } = this.#asked;
    const transcription = { model: "default" };
    const turn_detection = push ? null : { type: "server_vad", create_response: true, interrupt_response: true };
    const audio = { input: { transcription, turn_detection }, output: voice ? { voice } : {} };
    this.line.send("session.update", {
      session: { type: "realtime", output_modalities: ["audio"], instructions, audio, tools: TOOLS },
    });
  }

  #be(state) {
    if (state === this.state) return;
    this.state = state;
    this.told.state(state);
  }
}
