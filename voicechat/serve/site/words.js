// What the page says, in the languages that it says it in.

const WORDS = {
  en: {
    other: "中文", settings: "Settings", model: "Model", voice: "Voice", persona: "Persona", turns: "Turns",
    token: "Access token", handsFree: "Hands free", pushToTalk: "Push to talk", own: "Default",
    welcome: "Talk to it.", welcomeHint: "Press the button and speak, or write below. Speak while it speaks, and it stops.",
    start: "Start talking", end: "End", hold: "Hold to talk", stop: "Stop speaking", mute: "Mute", level: "Microphone level",
    type: "Write a message", send: "Send", transcript: "Transcript", notHeard: "not heard", interrupted: (s) => `interrupted after ${s} s`,
    idle: "ready", connecting: "connecting", listening: "listening", hearing: "hearing you", thinking: "thinking",
    speaking: "speaking", muted: "muted", you: "You", assistant: "Assistant",
    answered: (ms) => `answered in ${ms} ms`, tokens: (n) => `${n} tokens`, gaps: (n) => `${n} gaps in the sound`,
    noMicrophone: "The microphone was not opened: allow it for this page, or write instead.",
    lostMicrophone: "The microphone has gone. Start talking again with another one.",
    insecure: "Browsers give the microphone to pages on this machine or over https only.",
    needsToken: "This server asks for an access token.", wrongToken: "This access token is not accepted.",
    unreachable: "The server cannot be reached. Is it still running?", lost: "The connection was lost. Start again to go on.",
  },
  zh: {
    other: "English", settings: "设置", model: "模型", voice: "音色", persona: "角色", turns: "对话方式",
    token: "访问令牌", handsFree: "免提", pushToTalk: "按住说话", own: "默认",
    welcome: "开口聊聊吧。", welcomeHint: "点按钮说话，或在下面输入文字。它说话时你一开口，它就停下。",
    start: "开始说话", end: "结束", hold: "按住说话", stop: "别说了", mute: "静音", level: "麦克风音量",
    type: "输入消息", send: "发送", transcript: "对话记录", notHeard: "未听到", interrupted: (s) => `${s} 秒后被打断`,
    idle: "就绪", connecting: "连接中", listening: "在听", hearing: "听到你说话", thinking: "思考中",
    speaking: "正在说话", muted: "已静音", you: "你", assistant: "助手",
    answered: (ms) => `${ms} 毫秒后回答`, tokens: (n) => `${n} 个 token`, gaps: (n) => `声音中断 ${n} 次`,
    noMicrophone: "麦克风没有打开：请允许本页使用，或改用文字输入。",
    lostMicrophone: "麦克风已断开。换一个后请重新开始。",
    insecure: "浏览器只允许本机页面或 https 页面使用麦克风。",
    needsToken: "此服务器需要访问令牌。", wrongToken: "访问令牌无效。",
    unreachable: "无法连接服务器。它还在运行吗？", lost: "连接已断开。请重新开始。",
  },
};

export let language = (navigator.languages[0] || "en").toLowerCase().startsWith("zh") ? "zh" : "en";

export function other() {
  language = language === "zh" ? "en" : "zh";
  translate();
}

/** The words of that name; some of them want a figure. */
export function say(name, ...figures) {
  const words = WORDS[language][name] ?? name;
  return typeof words === "function" ? words(...figures) : words;
}

/** Write them into every element that names them. */
export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = say(one.dataset.word);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", say(one.dataset.label));
  for (const one of document.querySelectorAll("[data-hint]")) one.placeholder = say(one.dataset.hint);
}
