// The way to the gateway: one WebSocket after the other, as long as a new one may fare better.

const DELAYS_S = [1, 2, 3, 4, 5, 8, 13, 21, 34, ...Array(26).fill(60)]; // for half an hour
const JITTER = 0.2; // so that many pages do not come back at once
const CONNECT_S = 10;
const STUCK_S = 8; // what is sent and does not leave for so long: nobody is there any more
const SILENT_S = 13; // the gateway gives a sign of life every four; a browser shows no pings, nor that they stay away
const STEADY_S = 10;
const OVER = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]); // and 3000 and above: it would end the same way

/** `reach()` gives a socket, or throws: for good, unless the error is `passing`. `told`: `event`, `lost`, `over`. */
export class Line {
  number = 0; // of the connection
  #attempt = 0;
  #timer = null;
  #closed = false;
  #wasUp = false;

  constructor(reach, told) {
    this.reach = reach;
    this.told = told;
    this.retry = this.retry.bind(this);
    this.away = () => this.#drop();
    addEventListener("online", this.retry);
    addEventListener("offline", this.away);
    document.addEventListener("visibilitychange", this.retry);
    this.watch = setInterval(() => this.#look(), 1000);
  }

  async open() {
    clearTimeout(this.#timer);
    this.#timer = null;
    let socket;
    try {
      socket = await this.reach();
    } catch (error) {
      if (this.#closed) return;
      return error.passing && this.#wasUp ? this.#again() : this.#end(error.message);
    }
    if (this.#closed) return socket.close(1000);
    this.number += 1;
    this.socket = socket;
    this.openedAt = this.leftAt = this.heardAt = performance.now();
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.heardAt = performance.now();
      const event = JSON.parse(data);
      if (event.type !== "voicechat.heartbeat") this.told.event(event);
    };
    socket.onopen = () => (this.heardAt = performance.now());
    socket.onclose = ({ code }) => socket === this.socket && this.#drop(code);
  }

  /** The session on it stands: from now on it is worth coming back to. */
  up() {
    this.#wasUp = true;
  }

  /** At once, if it is being waited for. */
  retry() {
    if (this.#timer !== null && !document.hidden) this.open();
  }

  send(type, fields = {}) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...fields }));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.watch);
    removeEventListener("online", this.retry);
    removeEventListener("offline", this.away);
    document.removeEventListener("visibilitychange", this.retry);
    const { socket } = this;
    this.socket = null;
    socket?.close(1000);
  }

  #look() {
    const { socket } = this;
    if (!socket) return;
    const now = performance.now();
    const connecting = socket.readyState === WebSocket.CONNECTING;
    if (!connecting && socket.bufferedAmount < (this.unsent ?? 0)) this.leftAt = now;
    if (!connecting && !socket.bufferedAmount) this.leftAt = now;
    this.unsent = socket.bufferedAmount;
    const silent = !connecting && now - this.heardAt > 1000 * SILENT_S;
    if (silent || now - this.leftAt > 1000 * (connecting ? CONNECT_S : STUCK_S)) this.#drop();
  }

  #drop(code = 1006) {
    const { socket } = this;
    if (!socket) return;
    this.socket = null;
    socket.close();
    if (!this.#wasUp) return this.#end("");
    if (OVER.has(code) || code >= 3000) return this.#end("");
    if (performance.now() - this.openedAt > 1000 * STEADY_S) this.#attempt = 0;
    this.#again();
  }

  #again() {
    if (this.#attempt >= DELAYS_S.length) return this.#end("");
    const delay = 1000 * DELAYS_S[this.#attempt++] * (1 + JITTER * Math.random());
    this.#timer = setTimeout(() => this.open(), delay);
    this.told.lost();
  }

  #end(message) {
    this.close();
    this.told.over(message);
  }
}
