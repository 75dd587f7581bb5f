// `@openai/agents-realtime` in node: a spoken turn that calls a tool, an interruption, speech to a file.
//
//     npm install --prefix agents @openai/agents-realtime zod && cp benchmarks/clients/agents_realtime.mjs agents/
//     python -m benchmarks.clients node agents/agents_realtime.mjs

import { readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const { GATEWAY, QUESTION } = process.env;
const question = await readFile(QUESTION);
const called = [];
const errors = [];
let [bytes, after, interrupted, spoken] = [0, 0, false, 0];

const weather = tool({
  name: "weather", description: "The weather of a city.", parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => { called.push(city); return "sunny"; },
});
const agent = new RealtimeAgent({ name: "assistant", instructions: "Be brief.", tools: [weather] });
const config = { audio: { input: { turnDetection: { type: "server_vad", interruptResponse: true } } } };
const session = new RealtimeSession(agent, { transport: new OpenAIRealtimeWebSocket(), model: "any", config });

let speaking = Promise.resolve();
function speak() {
  spoken += 1;
  speaking = speaking.then(async () => {
    for (let start = 0; start < question.length; start += 960) {
      session.sendAudio(new Uint8Array(question.subarray(start, start + 960)).buffer);
      await new Promise((done) => setTimeout(done, 20));
    }
    quiet = true;
  });
  quiet = false;
}
let quiet = true;

const over = new Promise((resolve) => {
  session.on("audio", ({ data }) => {
    bytes += data.byteLength;
    if (interrupted) after += data.byteLength;
    if (spoken === 2 && quiet) speak(); // into the long answer
  });
  session.on("audio_interrupted", () => (interrupted = true));
  session.on("audio_stopped", () => {
    if (spoken === 1) speak();
    else if (after) resolve();
  });
  session.on("error", (error) => errors.push(JSON.stringify(error)));
  setTimeout(resolve, 60_000);
});
await session.connect({ apiKey: "none", url: `ws://${GATEWAY}/v1/realtime?model=any` });
speak();
await over;
session.close();
console.log(`called ${called}, ${(bytes / 48000).toFixed(1)} s of sound, interrupted: ${interrupted}, answered after it: ${after > 0}`);
console.log("errors:", errors);

const answer = await fetch(`http://${GATEWAY}/v1/audio/speech`, {
  method: "POST", headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ model: "offline", voice: "alloy", input: "This is read aloud.", response_format: "wav" }),
});
const path = join(tmpdir(), `speech-${process.pid}.wav`);
await writeFile(path, Buffer.from(await answer.arrayBuffer()));
console.log(`${((await stat(path)).size / 48000).toFixed(1)} s of speech in a file`);
process.exit(called.length === 1 && interrupted && after && !errors.length ? 0 : 1);
