// What the page says, in the languages that it says it in.

export const WORDS = {
  en: {
    other: "中文", settings: "Settings", model: "Model", voice: "Voice", persona: "Persona", turns: "Turns",
    token: "Access token", handsFree: "Hands free", pushToTalk: "Push to talk", own: "Default",
    welcome: "Talk to it.", welcomeHint: "Press the button and speak, or write below. Speak while it speaks, and it stops.",
    start: "Start talking", end: "End", hold: "Hold to talk", stop: "Stop speaking", mute: "Mute", level: "Microphone level",
    type: "Write a message", send: "Send", transcript: "Transcript", notHeard: "not heard", interrupted: (s) => `interrupted after ${s} s`,
    idle: "ready", connecting: "connecting", listening: "listening", hearing: "hearing you", thinking: "thinking",
    speaking: "speaking", muted: "muted", you: "You", assistant: "Assistant",
    answered: (ms) => `answered in ${ms} ms`, tokens: (n) => `${n} tokens`, gaps: (n) => `${n} gaps in the sound`,
    sound: "Sound from", loudspeaker: "Loudspeaker", headphones: "Headphones", anew: "New conversation",
    reconnecting: "reconnecting", retry: "Try now",
    down: "The line is down and is being made again. Nothing is lost: go on writing, it is sent then.",
    cost: (money) => `cost ${money}`, costUnknown: "cost not known",
    denied: "The browser may not use the microphone. Allow it beside the address of this page, then start again. Or write below.",
    noMicrophone: "No microphone was found. Plug one in and start again, or write below.",
    busyMicrophone: "The microphone could not be opened: another program may be using it. Close that and start again, or write below.",
    lostMicrophone: "The microphone has gone. Start talking again to go on with another one.",
    silentMicrophone: "The system has silenced the microphone. Switch it on again, or write below.",
    insecure: "Browsers give the microphone to pages on this machine or over https only. Open this page over https (voicechat serve --cert, --key), or write below.",
    blocked: "The browser has stopped the sound. Press anywhere on this page to go on.",
    needsToken: "This server asks for an access token.", wrongToken: "This access token is not accepted.",
    unreachable: "The server cannot be reached. Is it still running?", lost: "The connection was lost. Start again to go on: what was said is kept.",
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
    sound: "声音来自", loudspeaker: "扬声器", headphones: "耳机", anew: "新对话",
    reconnecting: "正在重连", retry: "立即重试",
    down: "连接已断开，正在重连。内容都会保留：可以继续输入，连上后发送。",
    cost: (money) => `费用 ${money}`, costUnknown: "费用未知",
    denied: "浏览器没有麦克风权限。请在地址栏旁允许本页使用后重新开始，或在下面输入文字。",
    noMicrophone: "没有找到麦克风。请接上后重新开始，或在下面输入文字。",
    busyMicrophone: "麦克风打不开，可能正被其他程序使用。请关闭该程序后重新开始，或在下面输入文字。",
    lostMicrophone: "麦克风已断开。重新开始即可换一个继续。",
    silentMicrophone: "系统关闭了麦克风。请重新打开，或在下面输入文字。",
    insecure: "浏览器只允许本机页面或 https 页面使用麦克风。请用 https 打开本页（voicechat serve --cert、--key），或在下面输入文字。",
    blocked: "浏览器停止了声音。点一下页面任意处即可继续。",
    needsToken: "此服务器需要访问令牌。", wrongToken: "访问令牌无效。",
    unreachable: "无法连接服务器。它还在运行吗？", lost: "连接已断开。重新开始即可继续，之前的对话会保留。",
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
