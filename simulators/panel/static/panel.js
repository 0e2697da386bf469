// The simulator panel: draws what the simulation sends, and sends what a person plays. Decides nothing.

const $ = (selector) => document.querySelector(selector);
const SVG = "http://www.w3.org/2000/svg";
const PICTURE_MS = 250;
const RETRY_MS = 1000;
const LEAF_PX = 146;
const STATES = {
  out_of_service: "Out of service", ready: "Ready for the next traveller", pass_check: "Checks the pass", entry_open: "Entry open",
  occupancy_check: "Is exactly one person inside?", identity_check: "Compares finger and face", exit_open: "Exit open", clearing: "Is the chamber empty?",
  return_path: "Sends the traveller back", officer_referral: "Waits for the officer", emergency: "EMERGENCY", maintenance: "Maintenance",
};

const SENT_KEPT = 50;

let sizes = null;
const sent = new Map(); // by name: what the person chose last, and how it should end

const metres = (at) => 40 + ((at - sizes.queue) / (sizes.beyond - sizes.queue)) * 920;
const place = (selector, at) => $(selector).setAttribute("transform", `translate(${metres(at)} 0)`);
const words = (code) => code.replaceAll("_", " ");

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

async function post(path, body) {
  $("#refused").textContent = "";
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const said = await answer.json();
    if (!answer.ok) $("#refused").textContent = said.error;
  } catch {
    $("#refused").textContent = "The simulation does not answer; was it stopped?";
  }
}

// What there is to choose

function choices(all) {
  sizes = all.sizes;
  for (const [selector, at] of [["#entry", sizes.entry], ["#exit", sizes.exit], ["#reader", sizes.reader], ["#sensor", sizes.stand], ["#eye", sizes.stand + 0.25]]) place(selector, at);
  $("#chamber-label").setAttribute("x", metres((sizes.entry + sizes.exit) / 2));
  $("#chamber path").setAttribute("d", `M${metres(sizes.entry)} 96 H${metres(sizes.exit)} V244 H${metres(sizes.entry)} z`);
  for (const [index, traveller] of all.travellers.entries()) {
    const label = element("label");
    const input = element("input");
    Object.assign(input, { type: "radio", name: "traveller", value: traveller.id, checked: index === 0 });
    const picture = element("img");
    Object.assign(picture, { src: `portraits/${traveller.person}`, alt: "", width: 80, height: 80 });
    label.append(input, picture, `${traveller.id.toUpperCase()} · ${traveller.region}`);
    $("#travellers").append(label);
  }
  for (const trick of all.tricks) {
    const button = element("button", "", trick.label);
    Object.assign(button, { type: "button", title: trick.hint });
    button.dataset.trick = trick.id;
    button.addEventListener("click", () => post("play", { traveller: $("input[name=traveller]:checked").value, trick: trick.id }));
    $("#tricks").append(button);
  }
  for (const mishap of all.mishaps) {
    const button = element("button", "", mishap.label);
    Object.assign(button, { type: "button", title: mishap.hint });
    button.dataset.mishap = mishap.id;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => post("mishap", { name: mishap.id, on: button.getAttribute("aria-pressed") !== "true" }));
    $("#mishaps").append(button);
  }
  for (const button of document.querySelectorAll("#acts button")) {
    const body = () => (button.dataset.post === "duty" ? { on: button.getAttribute("aria-pressed") !== "true" } : { action: button.dataset.action });
    button.addEventListener("click", () => post(button.dataset.post, body()));
  }
}

// What happens

function drawDoor(name, position, interrupted) {
  const door = $(`#${name}`);
  door.toggleAttribute("hidden", position === null);
  door.classList.toggle("open", position > 0.02);
  door.classList.toggle("interrupted", interrupted);
  door.querySelector(".leaf").style.transform = `translateY(${-LEAF_PX * (position ?? 1)}px)`;
  const is = position === null ? "no door" : position <= 0.02 ? "shut" : position >= 0.98 ? "open" : "moving";
  door.querySelector(".is").textContent = is;
  return is;
}

function drawPerson(person) {
  let figure = document.getElementById(`body-${person.name}`);
  if (figure === null) {
    figure = document.createElementNS(SVG, "g");
    figure.id = `body-${person.name}`;
    figure.classList.toggle("companion", person.name.endsWith("/companion"));
    const shape = document.createElementNS(SVG, "use");
    shape.setAttribute("href", "#person");
    const hand = document.createElementNS(SVG, "path");
    hand.setAttribute("class", "hand");
    figure.append(shape, hand);
    $("#people").append(figure);
  }
  figure.style.transform = `translate(${metres(person.at)}px, 176px)`;
  figure.firstChild.setAttribute("transform", person.back ? "scale(-1 1)" : "");
  figure.lastChild.setAttribute("d", person.phone ? "M10 -64 h22 v34 h-22 z" : person.finger ? "M-6 30 h12 v46 h-12 z" : "M0 0");
}

function drawLane(lane) {
  if (sizes === null) return;
  const doors = { entry: drawDoor("entry", lane.doors.entry_door, lane.beams.entry), exit: drawDoor("exit", lane.doors.exit_door, lane.beams.exit) };
  $("#exit .bag").toggleAttribute("hidden", !lane.bag);
  const here = new Set(lane.people.map((person) => `body-${person.name}`));
  for (const figure of [...$("#people").children]) if (!here.has(figure.id)) figure.remove();
  lane.people.forEach(drawPerson);
  $("#counter").textContent = lane.counter;
  const cut = ["entry", "exit"].filter((beam) => lane.beams[beam]);
  $("#beams").textContent = cut.length ? `${cut.join(" and ")} interrupted` : "clear";
  for (const [name, on] of Object.entries(lane.lamps)) {
    $(`#${name}`).classList.toggle("on", on);
    $(`#${name} b`).textContent = on ? "on" : "off";
  }
  for (const button of document.querySelectorAll("#mishaps button")) button.setAttribute("aria-pressed", String(lane.mishaps.includes(button.dataset.mishap)));
  $("[data-post=duty]").setAttribute("aria-pressed", String(lane.duty));
  for (const button of document.querySelectorAll("#tricks button")) button.disabled = lane.traveller !== null;
  $("#at-lane").textContent = lane.traveller === null ? "" : "· somebody is at the lane";
  $("#lane-now").textContent = `Entry ${doors.entry}, exit ${doors.exit}, ${lane.people.length} people in sight, counter ${lane.counter}`;
}

function drawStatus(status) {
  document.body.dataset.state = status.state;
  $("#no-pad").toggleAttribute("hidden", status.attack_detection);
  for (const item of document.querySelectorAll("#states li")) {
    if (item.dataset.state === status.state) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  const lost = Object.entries(status.devices).filter(([, device]) => device.state !== "ready").map(([name]) => words(name));
  const call = status.officer_call ? `the officer is called${status.officer_call.acknowledged ? " and comes" : ""}` : "";
  const why = status.reason && status.reason !== status.state ? words(status.reason) : "";
  $("#state").textContent = [STATES[status.state] ?? words(status.state), why, lost.length ? `lost: ${lost.join(", ")}` : "", call].filter(Boolean).join(" · ");
}

function drawCrossing(crossing) {
  const item = element("li", crossing.outcome);
  const play = sent.get(crossing.name);
  const line = element("div");
  line.append(element("strong", "", crossing.outcome), crossing.reason ? ": " : "", crossing.reason ? element("code", "", crossing.reason) : "");
  if (play) {
    const asItMust = play.expected.outcome === crossing.outcome && play.expected.reason === crossing.reason;
    line.append(` — ${play.trick}`, asItMust ? ", as expected" : `, expected: ${[play.expected.outcome, play.expected.reason].filter(Boolean).join(", ")}`);
  }
  item.append(line);
  if (crossing.advice) item.append(element("p", "", crossing.advice));
  const checks = Object.entries(crossing.checks).map(([name, result]) => `${name} ${words(result)}`).join(", ");
  const seconds = crossing.steps.length ? `${crossing.steps.at(-1)[1].toFixed(1)} s` : "";
  if (checks || seconds) item.append(element("p", "", [checks, seconds].filter(Boolean).join(" · ")));
  $("#crossings").prepend(item);
  while ($("#crossings").children.length > 12) $("#crossings").lastChild.remove();
}

function connect() {
  const source = new EventSource("events");
  const on = (kind, act) => source.addEventListener(kind, (event) => act(JSON.parse(event.data)));
  source.addEventListener("open", () => $("#crossings").replaceChildren());
  on("lane", drawLane);
  on("status", drawStatus);
  on("traveller", (play) => {
    sent.set(play.name, play);
    if (sent.size > SENT_KEPT) sent.delete(sent.keys().next().value);
  });
  on("crossing", drawCrossing);
  on("gate", ({ answers }) => {
    document.body.dataset.answers = String(answers);
    if (!answers) $("#state").textContent = "The controller does not answer";
  });
  source.addEventListener("error", () => {
    source.close();
    document.body.dataset.answers = "false";
    $("#state").textContent = "The simulation does not answer";
    setTimeout(connect, RETRY_MS);
  });
}

// One picture after the other: a camera that is gone costs nothing but its own place.
function watchCamera(name) {
  const picture = $(`#camera-${name}`);
  const caption = picture.parentElement.querySelector("b");
  let count = 0;
  const next = () => {
    const loading = new Image();
    loading.addEventListener("load", () => { picture.src = loading.src; caption.textContent = ""; setTimeout(next, PICTURE_MS); });
    loading.addEventListener("error", () => { picture.removeAttribute("src"); caption.textContent = "no picture"; setTimeout(next, RETRY_MS); });
    loading.src = `cameras/${name}?${count++}`;
  };
  next();
}

choices(await (await fetch("choices")).json());
connect();
watchCamera("qr");
watchCamera("face");
