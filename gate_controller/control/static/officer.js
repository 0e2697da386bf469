// The officers' page: shows the pending call as the gate tells it, and asks for who and why before anything is done.
// It decides nothing: whether the lane's state allows an act, the gate says. It keeps nothing: who acts is asked each time.

const SILENCE_MS = 3000; // three heartbeats of the gate
const CHECK_MS = 250;
const RECONNECT_MS = 1000;
const ANSWER_MS = 10000;
const RING_MS = 15000; // a call that nobody takes rings again
const NO_SOUND = "This browser makes no sound for calls";

const INSIDE = { zero: "nobody", one: "one person", many: "more than one person", unknown: "not known: go and look" };
const STATES = {
  out_of_service: "out of service", ready: "ready for the next traveller", pass_check: "checking a pass", entry_open: "entry open",
  occupancy_check: "counting who came in", identity_check: "checking finger and face", exit_open: "exit open", clearing: "waiting for the chamber to be empty",
  return_path: "way back open", officer_referral: "somebody waits for an officer", emergency: "EMERGENCY: doors released", maintenance: "an engineer has the lane",
};
const DONE = {
  acknowledge: "You have taken the call", release: "The exit opens", return: "The entry opens",
  assist: "The checks have ended; go to the traveller", rearm: "The lane goes back into service when all is in order",
};

const $ = (id) => document.getElementById(id);
const body = document.body;
const buttons = [...document.querySelectorAll("#acts button")];

let lane = null; // what the gate said last
let heardAt = -Infinity;
let asked = null; // {action, call, sending, told}: what the officer is being asked about; told: what came of it stands there
let spoken = ""; // the call that was said aloud last
let audio = null; // sound, once the officer has switched it on: a browser makes none before somebody has pressed something
let rangAt = -Infinity;

const words = (code) => String(code ?? "").replaceAll("_", " ");
const isLive = () => lane !== null && performance.now() - heardAt < SILENCE_MS;
const callNumber = () => lane?.call?.number ?? null;

// Two tones, made here: the page loads nothing.
function ring() {
  if (audio === null || $("sound").getAttribute("aria-pressed") !== "true") return;
  rangAt = performance.now();
  [880, 660].forEach((hertz, turn) => {
    const begins = audio.currentTime + turn * 0.35;
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0, begins);
    loudness.gain.linearRampToValueAtTime(0.4, begins + 0.02);
    loudness.gain.linearRampToValueAtTime(0, begins + 0.3);
    tone.connect(loudness).connect(audio.destination);
    tone.start(begins);
    tone.stop(begins + 0.3);
  });
  body.dataset.rings = String(Number(body.dataset.rings ?? 0) + 1);
}

function showSound(on, said) {
  $("sound").setAttribute("aria-pressed", String(on));
  set("sound", on ? "Sound for calls: on" : "Sound for calls: off");
  set("sound-said", said);
}

function switchSound() {
  if ($("sound").getAttribute("aria-pressed") === "true") {
    showSound(false, "No sound for calls");
    return;
  }
  try {
    audio ??= new AudioContext();
    audio.resume().catch(() => showSound(false, NO_SOUND));
  } catch {
    set("sound", NO_SOUND); // where somebody sees it, too
    set("sound-said", NO_SOUND);
    return;
  }
  showSound(true, "Calls ring; this is how they sound");
  ring();
}

// A text that is the same is left alone: a screen reader would say it again.
function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

// Not `disabled`: whoever is there by keyboard would lose their place each time the gate is silent for a moment.
function allow(button, is) {
  if (button.getAttribute("aria-disabled") !== String(!is)) button.setAttribute("aria-disabled", String(!is));
}

const isAllowed = (button) => button.getAttribute("aria-disabled") !== "true";

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

function reasonText(reason) {
  return reason === null ? "" : words(reason.code) + (reason.text ? `: ${reason.text}` : "");
}

function render() {
  const live = isLive();
  const call = lane?.call ?? null;
  body.dataset.link = live ? "live" : "lost";
  body.dataset.call = call === null ? "none" : call.acknowledged ? "taken" : "pending";
  if (lane === null) return;
  const silence = (performance.now() - heardAt) / 1000;
  if (!live) set("lost-text", "What stands below is from before, and may no longer be so. Go and look. Is the connection to the gate still open?");
  set("gate", String(lane.gate));
  set("lane", words(lane.direction).replace(" TO ", " to "));

  const urgent = live && call !== null && !call.acknowledged;
  set("call-title", call === null ? "No officer is called" : call.acknowledged ? "An officer has taken the call" : "An officer is called");
  set("call-reason", call === null ? "" : words(call.reason.code));
  set("call-text", call === null ? "" : call.reason.text);
  $("call-facts").hidden = call === null;
  if (call !== null) {
    set("call-number", String(call.number ?? ""));
    set("call-since", span(call.since_s + silence));
    set("call-taken", call.acknowledged ?? "nobody yet");
    set("call-escalations", call.escalations === 0 ? "not yet" : call.escalations === 1 ? "once" : `${call.escalations} times`);
  }
  set("state", STATES[lane.state] ?? words(lane.state));
  set("why", reasonText(lane.reason) || "-");
  set("inside", INSIDE[lane.occupancy] ?? words(lane.occupancy));
  set("entry-door", words(lane.doors?.entry_door) || "-");
  set("exit-door", words(lane.doors?.exit_door) || "-");
  set("prompt", lane.prompt || "-");
  set("devices", lane.lost.map(words).join(", ") || "nothing");
  for (const button of buttons) allow(button, live && (button.dataset.action !== "acknowledge" || (call !== null && !call.acknowledged)));

  const mark = urgent ? "\u25cf CALL" : !live ? "not connected" : call !== null ? "call taken" : STATES[lane.state] ?? words(lane.state);
  const title = `${mark} - gate ${lane.gate}`;
  if (document.title !== title) document.title = title;
  const calling = urgent ? `${call.number} ${call.reason.code} ${call.escalations}` : "";
  if (live && calling !== spoken) {
    spoken = calling;
    set("spoken", urgent ? `An officer is called at gate ${lane.gate}: ${reasonText(call.reason)}` : "");
    if (urgent) ring();
  }
  if (urgent && performance.now() - rangAt > RING_MS) ring();
  if (asked !== null) renderAsked(live);
}

// The question that stands must be about the call that is pending now; else it may be about somebody else.
function renderAsked(live) {
  const elsewhere = lane.gate !== asked.gate; // the port leads to another gate by now
  const stale = elsewhere || callNumber() !== asked.call;
  allow($("confirm"), live && !stale && !asked.sending);
  if (asked.sending || asked.told) return;
  if (stale) {
    const was = elsewhere ? `This is gate ${lane.gate} now, not ${asked.gate}.` : asked.call === null ? "An officer has been called since you opened this." : `Call ${asked.call} is over.`;
    set("refused", `${was} Nothing was done. Close this and look again.`);
  } else {
    set("refused", live ? "" : "No connection to the gate: nothing can be done from here now.");
  }
}

function ask(button) {
  if (!isLive() || !isAllowed(button)) return;
  asked = { action: button.dataset.action, gate: lane.gate, call: callNumber(), sending: false, told: false };
  const reason = lane.call?.reason ?? null;
  set("ask-title", button.textContent);
  set("ask-does", $(`does-${asked.action}`).textContent);
  set("ask-call", `Gate ${lane.gate}, ${asked.call === null ? "no officer is called" : `call ${asked.call}: ${words(reason.code)}`}. Inside, as counted: ${INSIDE[lane.occupancy] ?? words(lane.occupancy)}.`);
  set("confirm", button.textContent);
  set("refused", "");
  set("done", "");
  $("identity").value = $("reason").value = "";
  $("ask").showModal();
  $("identity").focus();
  render();
}

async function act() {
  const question = asked;
  const { action, gate, call } = question;
  const identity = $("identity").value.trim();
  const reason = $("reason").value.trim();
  if (!identity || !reason) {
    question.told = true;
    set("refused", "Say who you are and why: it goes on record.");
    return;
  }
  question.sending = true;
  set("refused", "");
  render();
  let problem = "";
  try {
    const response = await fetch("act", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Gate-Act": "1" },
      body: JSON.stringify({ action, identity, reason, gate, call }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const said = await response.json();
    if (!response.ok) problem = `Refused: ${said.error}. ${said.remedy ? `Remedy: ${said.remedy}.` : ""}`;
  } catch {
    problem = "No answer came. The act may have been carried out: look at the lane before you try again.";
  }
  question.sending = false;
  question.told = true;
  if (problem) {
    set(asked === question ? "refused" : "done", problem); // the officer may have closed the question meanwhile
    $("refused").scrollIntoView({ block: "nearest" });
    render();
    return;
  }
  if (asked === question) close();
  set("done", `${DONE[action]}. The gate has accepted it${call === null ? "" : ` for call ${call}`}.`);
}

function close() {
  asked = null;
  $("ask").close();
}

function connect() {
  const source = new EventSource("events");
  source.addEventListener("status", (event) => {
    lane = JSON.parse(event.data);
    heardAt = performance.now();
    render();
  });
  source.addEventListener("error", () => {
    // The browser's own reconnecting gives up on some errors; this one never does.
    source.close();
    setTimeout(connect, RECONNECT_MS);
  });
}

for (const button of buttons) button.addEventListener("click", () => ask(button));
$("cancel").addEventListener("click", close);
$("sound").addEventListener("click", switchSound);
// The event may come when another question is open already: what is asked there stands.
$("ask").addEventListener("close", () => { if (!$("ask").open) asked = null; });
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  render(); // what was so a moment ago may not be so any more
  if (asked !== null && isAllowed($("confirm"))) act();
});
setInterval(render, CHECK_MS);
connect();
