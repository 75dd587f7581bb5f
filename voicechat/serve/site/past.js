// What was said, as another connection must be told it: words, of each answer what was heard, and what tools said.

const MOST_ITEMS = 40;
const MOST_TOKENS = 3000;
const tokens = (text) => [...text].reduce((sum, sign) => sum + (sign < "\u0250" ? 0.25 : 1), 0);

export class Past {
  #items = new Map(); // key: {id, role, text, call}, in the order in which they were said

  /** Its place, whenever its words come. */
  begin(key, role) {
    if (!this.#items.has(key)) this.#items.set(key, { role, text: "" });
    if (this.#items.size > MOST_ITEMS) this.#items.delete(this.#items.keys().next().value);
  }

  tell(key, role, text, more = {}) {
    this.begin(key, role);
    Object.assign(this.#items.get(key), { text: text.trim(), ...more });
  }

  clear() {
    this.#items.clear();
  }

  /** The newest that fit, as the items of `conversation.item.create`. */
  items() {
    const told = [];
    let used = 0;
    for (const one of [...this.#items.values()].reverse()) {
      used += tokens(one.text);
      if (used > MOST_TOKENS && told.length) break;
      if (one.call) {
        const { call_id } = one.call;
        told.push({ type: "function_call_output", call_id, output: one.text }, { type: "function_call", ...one.call });
      } else if (one.text) {
        const content = [{ type: one.role === "user" ? "input_text" : "output_text", text: one.text }];
        told.push({ ...(one.id && { id: one.id }), type: "message", role: one.role, content });
      }
    }
    return told.reverse();
  }
}
