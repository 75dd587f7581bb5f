// One conversation over the gateway's realtime WebSocket: what is said on it, and what is made of what comes.

import { RATE_HZ } from "./audio.js";

const BYTES_PER_MS = (RATE_HZ * 2) / 1000;
const MOST_UNSENT = 2_000_000; // bytes: a network that stands still does not fill the memory
const LEAST_HELD_MS = 250; // a shorter press says nothing
const HARMLESS = new Set(["response_cancel_not_active", "input_audio_buffer_commit_empty"]);
const TOOLS = [{
  type: "function", name: "current_time", description: "The date, time and time zone of the user.",
  parameters: { type: "object", properties: {} },
}];

const RUN = {
  current_time: () => ({ time: new Date().toString(), zone: Intl.DateTimeFormat().resolvedOptions().timeZone }),
};

/** A short-lived key for a token: the token itself never stands in an address or a socket's head. */
async function secretFor(token, fetcher) {
  const answer = await fetcher("/v1/realtime/client_secrets", {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ expires_after: { anchor: "created_at", seconds: 60 }, session: { type: "realtime" } }),
  });
  return answer.value;
}

/** `told` is whoever shows it: `state`, `user`, `assistant`, `sound`, `cut`, `tool`, `usage`, `problem`, `closed`. */
export class Session {
  state = "connecting";
  #asked = { model: "", voice: "", instructions: "", push: false, language: "" };
  #open = new Set(); // responses that have begun and not ended
  #silenced = new Set();
  #answers = new Map(); // item: {response, ms} of sound received
  #calls = 0; // tools whose results the model has yet to speak about
  #heldAt = null;

  constructor(asked, speaker, told) {
    this.#asked = asked;
    this.speaker = speaker;
    this.told = told;
    this.ready = new Promise((resolve) => (this.isReady = resolve));
  }

  async connect(token, fetcher) {
    const protocols = ["realtime"];
    if (token) protocols.push(`openai-insecure-api-key.${await secretFor(token, fetcher)}`);
    if (this.closing) return;
    const address = `${location.origin.replace(/^http/, "ws")}/v1/realtime?model=${encodeURIComponent(this.#asked.model)}`;
    this.socket = new WebSocket(address, protocols);
    this.socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    this.socket.onclose = () => this.told.closed(this.closing);
  }

  // what the user does

  hear(pcm) {
    if (this.state === "connecting" || (this.#asked.push && this.#heldAt === null)) return;
    if (this.socket.bufferedAmount > MOST_UNSENT) return;
    this.#send("input_audio_buffer.append", { audio: btoa(String.fromCharCode(...new Uint8Array(pcm))) });
  }

  hold() {
    if (this.state === "connecting" || this.#heldAt !== null) return;
    this.interrupt();
    this.#send("input_audio_buffer.clear");
    this.#heldAt = performance.now();
    this.#be("hearing");
  }

  release() {
    if (this.#heldAt === null) return;
    const long = performance.now() - this.#heldAt >= LEAST_HELD_MS;
    this.#heldAt = null;
    if (!long) return this.#be("listening");
    this.#send("input_audio_buffer.commit");
    this.#ask();
  }

  async write(text) {
    await this.ready;
    await this.interrupt();
    const id = `item_page${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
    this.told.user(id, text, true);
    this.#send("conversation.item.create", {
      item: { id, type: "message", role: "user", content: [{ type: "input_text", text }] },
    });
    this.#ask();
  }

  change(asked) {
    Object.assign(this.#asked, asked);
    this.#heldAt = null;
    if (this.state !== "connecting") this.#configure();
  }

  /** Silence at once, here and there; the model is told what was heard. */
  async interrupt({ cancelled = false } = {}) {
    const stopped = this.speaker.stop();
    const answers = [...this.#answers];
    if (this.#open.size && !cancelled) this.#send("response.cancel");
    for (const id of this.#open) this.#silenced.add(id);
    const cut = await stopped;
    for (const [item, { response, ms }] of answers) {
      if (!ms && this.#silenced.has(response) && !cut.has(item)) this.told.cut(item, 0);
    }
    for (const [item, ms] of cut) {
      const heard = Math.min(ms, Math.floor(this.#answers.get(item)?.ms ?? 0));
      this.#send("conversation.item.truncate", { item_id: item, content_index: 0, audio_end_ms: heard });
      this.told.cut(item, heard);
    }
    for (const [item] of answers) this.#answers.delete(item);
    this.#rest();
  }

  /** An item has been played to its end. */
  finished(item) {
    if (!this.#answers.delete(item)) return;
    this.told.heard(item);
    this.#rest();
  }

  close() {
    this.closing = true;
    this.socket?.close(1000);
    if (!this.socket) this.told.closed(true);
  }

  // what the server says

  #take(event) {
    const part = this.#part(event);
    switch (event.type) {
      case "session.created":
        return this.#configure();
      case "session.updated":
        this.isReady();
        if (this.state === "connecting") this.#be("listening");
        return;
      case "input_audio_buffer.speech_started":
        this.interrupt({ cancelled: true }); // by the server's own rule
        return this.#be("hearing");
      case "input_audio_buffer.speech_stopped":
        this.turnEndedAt = performance.now();
        return this.#be("thinking");
      case "input_audio_buffer.committed":
        return this.told.user(event.item_id, "", false);
      case "conversation.item.input_audio_transcription.delta":
        return this.told.user(event.item_id, event.delta, false);
      case "conversation.item.input_audio_transcription.completed":
        return this.told.user(event.item_id, event.transcript, true);
      case "response.created":
        this.#open.add(event.response.id);
        if (this.state !== "hearing") this.#be("thinking");
        return;
      case "response.output_audio.delta":
        return part && this.#sound(event, part);
      case "response.output_audio_transcript.delta":
        return part && this.told.assistant(event.item_id, event.delta, true);
      case "response.output_text.delta":
        return part && this.told.assistant(event.item_id, event.delta, false);
      case "response.output_text.done":
        return part && this.finished(event.item_id);
      case "response.output_audio.done":
        return part && this.speaker.complete(event.item_id);
      case "response.function_call_arguments.done":
        return this.#call(event);
      case "response.done":
        return this.#done(event.response);
      case "error":
        if (!HARMLESS.has(event.error.code)) this.told.problem(event.error.message);
    }
  }

  /** What is known of the item that the event is about; nothing when nobody wants to hear it any more. */
  #part({ response_id: response, item_id: item, type }) {
    if (!response || !/output_(audio|text)/.test(type) || this.#silenced.has(response)) return null;
    if (!this.#answers.has(item) && !type.endsWith(".done")) this.#answers.set(item, { response, ms: 0 });
    return this.#answers.get(item) ?? null;
  }

  #sound(event, part) {
    const { buffer } = Uint8Array.from(atob(event.delta), (sign) => sign.charCodeAt(0));
    const ms = buffer.byteLength / BYTES_PER_MS;
    part.ms += ms;
    this.told.sound(event.item_id, ms);
    this.speaker.add(event.item_id, buffer);
    if (this.state !== "hearing") this.#be("speaking");
  }

  #call({ call_id, name, arguments: given }) {
    const output = RUN[name]?.() ?? { error: "this page has no such tool" };
    this.told.tool(name, given, output);
    this.#calls += 1;
    this.#send("conversation.item.create", {
      item: { type: "function_call_output", call_id, output: JSON.stringify(output) },
    });
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
    this.#rest();
  }

  #rest() {
    if (!this.#open.size && !this.#answers.size && ["thinking", "speaking"].includes(this.state)) this.#be("listening");
  }

  #ask() {
    this.turnEndedAt = performance.now();
    this.#send("response.create");
    this.#be("thinking");
  }

  #configure() {
    const { voice, instructions, push, language } = this.#asked;
    const transcription = { model: "default", ...(language && { language }) };
    const turn_detection = push ? null : { type: "server_vad", create_response: true, interrupt_response: true };
    const audio = { input: { transcription, turn_detection }, output: voice ? { voice } : {} };
    this.#send("session.update", {
      session: { type: "realtime", output_modalities: ["audio"], instructions, audio, tools: TOOLS },
    });
  }

  #be(state) {
    this.state = state;
    this.told.state(state);
  }

  #send(type, fields = {}) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...fields }));
  }
}
