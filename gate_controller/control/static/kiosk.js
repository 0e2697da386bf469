// The kiosk page: shows the prompt that the daemon sends, and "lane closed" when the daemon has been silent for 3 s.
// It acts on nothing, keeps nothing, and knows of the traveller only the prompt.

import prompts from "./prompts.json" with { type: "json" };

const LANGUAGES = ["zh-Hant", "zh-Hans", "pt", "en"];
// The two official languages of the pass's region come first (before there is a pass, of the lane's); the first is shown large, the second next to it.
const OFFICIAL = { HK: ["zh-Hant", "en"], MO: ["zh-Hant", "pt"] };
const SILENCE_MS = 3000; // three heartbeats of the daemon
const CHECK_MS = 200;
const RECONNECT_MS = 1000;
const LANGUAGE_KEPT_MS = 60000; // a choice lasts one crossing and a minute; the next traveller finds the first language again
const IDLE = new Set(["show_code", "lane_closed", "starting"]); // nobody is being served

const body = document.body;
const section = document.querySelector("section");
const buttons = [...document.querySelectorAll("nav button")];

let chosen = null; // a language that somebody touched
let region = null;
let order = ""; // of the languages as they are shown
let prompt = null; // what the daemon said last on this connection; null: nothing yet, or nothing that this page knows
let heardAt = -Infinity;
let chosenAt = 0; // when it was touched, or was last of use to whoever is inside
let outdated = false; // the controller came back with other prompts than this page has: it was upgraded

function shownPrompt() {
  if (prompt !== null && performance.now() - heardAt < SILENCE_MS) return prompt;
  // Silence closes the lane. Only an emergency stays: whoever is told to leave must not be told otherwise by a crash.
  return body.dataset.prompt === "emergency_exit" ? "emergency_exit" : "lane_closed";
}

function line(tag, className, lang, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.lang = lang;
  element.textContent = text;
  return element;
}

function render() {
  const name = shownPrompt();
  if (outdated && name !== "emergency_exit") location.reload(); // whoever is told to leave must not see an empty page
  if (!IDLE.has(name)) chosenAt = performance.now();
  else if (chosen !== null && performance.now() - chosenAt >= LANGUAGE_KEPT_MS) chosen = null;
  const [language, ...others] = new Set([...(chosen ? [chosen] : []), ...(OFFICIAL[region] ?? []), ...LANGUAGES]);
  if (body.dataset.prompt === name && order === [language, ...others].join()) return; // a live region speaks at each change
  order = [language, ...others].join();
  const entry = prompts[name];
  const [title, detail] = entry[language];
  section.replaceChildren(
    line("h1", "", language, title),
    line("p", "detail", language, detail),
    ...others.map((other, place) => line("p", region && place === 0 ? "other second" : "other", other, entry[other][0])),
  );
  document.documentElement.lang = language;
  document.title = title;
  body.dataset.prompt = name;
  body.dataset.tone = entry.tone;
  for (const picture of document.querySelectorAll("figure svg")) picture.toggleAttribute("hidden", picture.id !== `picture-${entry.picture}`);
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.lang === language));
}

function choose(language) {
  chosen = language;
  chosenAt = performance.now();
  render();
}

// A page is open for weeks, longer than a version of the controller: it would take a prompt that it does not know for "lane closed".
async function compare() {
  try {
    outdated = JSON.stringify(await (await fetch("prompts.json")).json()) !== JSON.stringify(prompts);
  } catch {
    // the connection is lost again: so it is looked at again
  }
}

function connect() {
  const source = new EventSource("events");
  const heard = (event) => {
    heardAt = performance.now();
    const said = JSON.parse(event.data);
    if (event.type === "prompt") region = said.region ?? null;
    if ("prompt" in said) prompt = Object.hasOwn(prompts, said.prompt) ? said.prompt : null;
    render();
  };
  source.addEventListener("open", () => {
    prompt = region = null; // what an earlier daemon said is void
    compare();
  });
  for (const kind of ["prompt", "state", "heartbeat"]) source.addEventListener(kind, heard);
  source.addEventListener("error", () => {
    // The browser's own reconnecting gives up on some errors; this one never does.
    source.close();
    setTimeout(connect, RECONNECT_MS);
  });
}

for (const button of buttons) button.addEventListener("click", () => choose(button.lang));
setInterval(render, CHECK_MS);
connect();
