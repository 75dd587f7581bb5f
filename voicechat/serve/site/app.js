// The page: what its buttons do, and which of them there are at the moment.

import { Microphone, Speaker } from "./audio.js";
import { Past } from "./past.js";
import { Session } from "./session.js";
import { Transcript } from "./transcript.js";
import { language, other, say, translate } from "./words.js";

const ANSWER_S = 8; // a request may have gone into a connection that was dead already

const at = (id) => document.getElementById(id);
const transcript = new Transcript(at("transcript"), at("said"));
const past = new Past();
let session = null;
let microphone = null;
let speaker = null;
let state = "idle";
let muted = false;
let personas = [];
let instructions = "";
let tokens = 0;
let answeredMs = null;
let costs = new Map(); // connection: [amount, currency]
let awake = null;

const told = {
  state: (name) => show(name),
  user(...turn) {
    at("empty").hidden = true;
    transcript.user(...turn);
  },
  assistant(...piece) {
    at("empty").hidden = true;
    transcript.assistant(...piece);
  },
  sound: (item, ms) => transcript.sound(item, ms),
  heard: (item) => transcript.heard(item),
  cut: (item, ms) => transcript.cut(item, ms),
  words: (item) => transcript.words(item),
  tool: (...call) => transcript.tool(...call),
  usage(count) {
    tokens += count;
    figures();
  },
  cost(line, ...told) {
    costs.set(line, told);
    figures();
  },
  problem,
};

async function get(path, options = {}) {
  const token = at("token").value.trim();
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...options.headers };
  let answer;
  try {
    answer = await fetch(path, { signal: AbortSignal.timeout(1000 * ANSWER_S), ...options, headers });
  } catch {
    throw passing(say("unreachable"));
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    at("key").hidden = at("settings").hidden = false;
    at("options").setAttribute("aria-expanded", "true");
    throw new Error(say(token ? "wrongToken" : "needsToken"));
  }
  if (!answer.ok) {
    const message = body.error?.message || `${answer.status} ${answer.statusText}`;
    throw answer.status >= 500 || answer.status === 429 ? passing(message) : new Error(message);
  }
  return body;
}

/** An error that may be none when it is tried again. */
function passing(message) {
  return Object.assign(new Error(message), { passing: true });
}

/** A socket to the model; with a token by a short-lived key, for no token may stand in a socket's head. */
async function reach() {
  const protocols = ["realtime"];
  if (at("token").value.trim()) {
    const secret = await get("/v1/realtime/client_secrets", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ expires_after: { anchor: "created_at", seconds: 60 }, session: { type: "realtime" } }),
    });
    protocols.push(`openai-insecure-api-key.${secret.value}`);
  }
  const address = new URL(`/v1/realtime?model=${encodeURIComponent(at("model").value)}&cost=true&heartbeat=true`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  return new WebSocket(address, protocols);
}

/** Models, voices and personas, as far as this visitor may use them. */
async function look() {
  const models = (await get("/v1/models")).data.map(({ id }) => [id, id]);
  fill(at("model"), models);
  const found = await get("/v1/personas");
  ({ instructions, data: personas } = found);
  fill(at("persona"), [["", say("own")], ...personas.map(({ id, name }) => [id, name])]);
  await lookForVoices();
  problem("");
}

async function lookForVoices() {
  const model = at("model").value;
  const voices = model ? (await get(`/v1/voices?model=${encodeURIComponent(model)}`)).data : [];
  const named = voices.map(({ id, name, languages }) => [id, languages.length ? `${name} (${languages.join(", ")})` : name]);
  fill(at("voice"), [["", say("own")], ...named]);
}

function fill(select, entries) {
  const chosen = select.value;
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
  if (entries.some(([value]) => value === chosen)) select.value = chosen;
}

function asked() {
  const persona = personas.find(({ id }) => id === at("persona").value);
  return {
    model: at("model").value,
    voice: at("voice").value || persona?.voice || "",
    instructions: persona?.instructions || instructions,
    push: at("turns").value === "push",
    language: "",
  };
}

async function start({ listening }) {
  if (session) return;
  problem("");
  show("connecting");
  let mine = null;
  try {
    if (!at("model").value) await look();
    if (session) return;
    speaker = await Speaker.open({ played, finished: (item) => session?.finished(item), paused });
    const over = (message) => session === mine && closed(message);
    session = mine = new Session(asked(), speaker, past, reach, { ...told, closed: over });
    [costs, tokens, answeredMs] = [new Map(), 0, null];
    show("connecting");
    if (listening) await listen(mine);
    if (session === mine) await mine.line.open();
  } catch (error) {
    if (mine === null || session === mine) await end();
    problem(error.message);
  }
}

async function listen(mine) {
  if (!navigator.mediaDevices) throw new Error(say("insecure"));
  const gone = async () => {
    await end();
    problem(say("lostMicrophone"));
  };
  const silent = (whether) => trouble("silentMicrophone", whether);
  try {
    const opened = await Microphone.open({ headphones: at("sound").value === "headphones" }, { take: hear, gone, silent, paused });
    if (session !== mine) return void opened.close(); // given up meanwhile
    microphone = opened;
    microphone.muted = muted;
    show(state);
  } catch (error) {
    const words = { NotAllowedError: "denied", NotFoundError: "noMicrophone", NotReadableError: "busyMicrophone" };
    throw new Error(say(words[error.name] ?? "busyMicrophone"));
  }
}

function hear(block) {
  at("level").value = muted ? 0 : Math.min(1, Math.max(0, 1 + Math.log10(Math.max(block.level, 1e-4)) / 2.5));
  session?.hear(block);
}

/** The browser stopped the sound by itself, or goes on with it. */
function paused(whether) {
  trouble("blocked", whether);
}

function played(item, ms) {
  transcript.played(item, ms);
  if (session?.turnEndedAt && ms >= 0 && state === "speaking") {
    answeredMs = Math.round(performance.now() - session.turnEndedAt + speaker.latencyMs);
    session.turnEndedAt = null;
  }
  figures();
}

async function closed(message) {
  await end();
  if (message || at("problem").hidden) problem(message || say("lost"));
}

async function end() {
  const things = [microphone, speaker];
  const was = session;
  session = microphone = speaker = null;
  was?.close();
  await Promise.all(things.map((one) => one?.close()));
  at("level").value = 0;
  for (const name of ["blocked", "silentMicrophone"]) trouble(name, false);
  show("idle");
  stayAwake();
}

function show(name) {
  const was = state;
  state = name;
  const open = session !== null;
  const listening = microphone !== null;
  const quiet = muted && listening && name === "listening";
  at("state").textContent = say(quiet ? "muted" : name);
  at("state").dataset.state = quiet ? "muted" : name;
  document.title = open ? `${say(quiet ? "muted" : name)} · voicechat` : "voicechat";
  if (was === "reconnecting" && name !== was) problem("");
  at("down").hidden = name !== "reconnecting";
  const talk = at("talk");
  talk.dataset.word = open ? "end" : "start";
  talk.textContent = say(talk.dataset.word);
  talk.classList.toggle("open", open);
  at("hold").hidden = !(listening && at("turns").value === "push");
  at("mute").hidden = !(listening && at("turns").value === "free");
  at("stop").hidden = name !== "speaking";
  at("level").hidden = !listening;
  for (const id of ["model", "voice", "token", "sound"]) at(id).disabled = open;
  figures();
}

function figures() {
  const parts = [];
  if (answeredMs !== null) parts.push(say("answered", answeredMs));
  if (tokens) parts.push(say("tokens", tokens));
  if (costs.size) parts.push(spent());
  if (speaker?.gaps) parts.push(say("gaps", speaker.gaps));
  at("figures").textContent = parts.join(" · ");
}

/** What all connections of this conversation have cost, if every price is known. */
function spent() {
  const amounts = [...costs.values()];
  const [[, currency]] = amounts;
  if (amounts.some(([amount, its]) => amount === null || its !== currency)) return say("costUnknown");
  const sum = amounts.reduce((all, [amount]) => all + amount, 0);
  const money = new Intl.NumberFormat(language, { style: "currency", currency, maximumFractionDigits: 4 });
  return say("cost", money.format(sum));
}

/** A phone's screen stays on while one talks. */
async function stayAwake() {
  if (!session || document.hidden) {
    await awake?.release();
    awake = null;
  } else {
    awake = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  }
}

function problem(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

/** A problem that goes by itself, and takes no other's word away. */
function trouble(name, whether) {
  if (whether) problem(say(name));
  else if (at("problem").textContent === say(name)) problem("");
}

function hold(down) {
  if (at("hold").hidden) return;
  at("hold").setAttribute("aria-pressed", String(down));
  if (down) session?.hold();
  else session?.release();
}

function mute() {
  muted = !muted;
  at("mute").setAttribute("aria-pressed", String(muted));
  if (microphone) microphone.muted = muted;
  show(state);
}

const report = (work) => work.catch((error) => problem(error.message));

at("talk").onclick = () => (session ? end() : start({ listening: true }).then(stayAwake));
at("retry").onclick = () => session?.line.retry();
at("clear").onclick = async () => {
  await end();
  transcript.clear();
  past.clear();
  problem("");
  [costs, tokens, answeredMs] = [new Map(), 0, null];
  at("empty").hidden = false;
  figures();
};
document.addEventListener("pointerdown", () => [speaker, microphone].forEach((one) => one?.unlock()));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) [speaker, microphone].forEach((one) => one?.unlock());
  stayAwake();
});
at("stop").onclick = () => session?.interrupt();
at("mute").onclick = mute;
at("hold").onpointerdown = (event) => {
  at("hold").setPointerCapture(event.pointerId);
  hold(true);
};
for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) at("hold").addEventListener(kind, () => hold(false));
at("hold").oncontextmenu = (event) => event.preventDefault();

// Space holds where it means nothing else; Escape silences.
const typing = (target) => target.matches("input, select") || (target.matches("button") && target.id !== "hold");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") session?.interrupt();
  if (event.key !== " " || typing(event.target) || at("hold").hidden) return;
  event.preventDefault();
  if (!event.repeat) hold(true);
});
document.addEventListener("keyup", (event) => event.key === " " && !typing(event.target) && hold(false));
window.addEventListener("blur", () => hold(false));

at("write").onsubmit = async (event) => {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text) return;
  if (!session) await start({ listening: false });
  if (!session) return; // what was written stands there still
  at("text").value = "";
  session.write(text);
};
at("settings").onsubmit = (event) => event.preventDefault();
at("options").onclick = () => {
  at("settings").hidden = !at("settings").hidden;
  at("options").setAttribute("aria-expanded", String(!at("settings").hidden));
};
at("language").onclick = () => {
  other();
  speak();
};
at("token").onchange = () => report(look());
at("model").onchange = () => report(lookForVoices());
at("persona").onchange = () => session?.change(asked());
at("turns").onchange = () => {
  session?.change(asked());
  show(state);
};

function speak() {
  translate();
  at("language").textContent = say("other");
  at("language").lang = language === "zh" ? "en" : "zh-CN";
  for (const id of ["voice", "persona"]) if (at(id).options[0]) at(id).options[0].text = say("own");
  show(state);
}

speak();
report(look());
