"use strict";
// Draws the view the gateway sends and sends back what is pressed. It decides nothing.

const HOLD_MS = 1000;
const $ = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=token]").content;
let view = null;
let drawn = {};
let spoken = null;

const word = (name) => (WORDS[view ? view.language : "zh-CN"] || WORDS.en)[name] || "";
const said = (words) => {
  if (!words) return "";
  const tongue = view.language.split("-")[0];
  const alike = Object.keys(words).find((name) => name.split("-")[0] === tongue);
  return words[view.language] || words[alike] || Object.values(words)[0] || "";
};

async function press(what) {
  try {
    await fetch("/press", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Hearthbeat-Token": token },
      body: JSON.stringify(what),
    });
  } catch (error) {
    showGone(true);
  }
}

// --- drawing -------------------------------------------------------------------------------

function drawWords() {
  document.documentElement.lang = view.language;
  document.querySelectorAll("[data-word]").forEach((element) => {
    element.textContent = word(element.dataset.word);
  });
}

function drawCard(section, card) {
  const shown = card ? JSON.stringify([view.language, { ...card, seconds_left: 0 }]) : "";
  const countdown = section.querySelector(".countdown");
  if (countdown) {
    const seconds = card ? card.seconds_left : null;
    countdown.hidden = seconds === undefined || seconds === null;
    countdown.textContent = seconds;
  }
  if (drawn[section.id] === shown) return;
  drawn[section.id] = shown;
  section.hidden = !card;
  if (!card) return;
  section.dataset.tone = card.tone || "calm";
  section.dataset.kind = card.kind;
  section.querySelector(".title").textContent = said(card.title);
  section.querySelector(".text").textContent = said(card.text);
  const note = section.querySelector(".note");
  if (note) note.textContent = said(card.note);
  section.querySelector(".buttons").replaceChildren(...(card.buttons || []).map(drawButton));
}

function drawButton(button) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `act ${button.look || "plain"}`;
  element.dataset.do = button.do;
  if (button.value) element.dataset.value = button.value;
  element.textContent = said(button.label);
  element.addEventListener("click", () => {
    press({ do: button.do, id: button.id, value: button.value });
  });
  return element;
}

function drawIdle() {
  $("idle").hidden = Boolean(view.card || view.call);
  const last = view.last;
  $("reading").hidden = !last;
  $("greeting").textContent = word(greeting());
  if (last) {
    $("sys").textContent = Math.round(last.sys);
    $("dia").textContent = Math.round(last.dia);
    document.querySelector(".pulse").hidden = last.pr === null;
    $("pr").textContent = last.pr === null ? "" : Math.round(last.pr);
    $("reading-at").textContent = instant(last.at);
    $("sentence").textContent = said(last.sentence);
  }
  const due = view.next_dose_at;
  $("next-dose").hidden = due === null;
  if (due !== null) $("next-dose").textContent = `${word("next_dose")} ${instant(due)}`;
}

function drawStanding() {
  let state = view.online ? "online" : "offline";
  if (view.online && !view.hub_ready) state = "waiting";
  const chip = $("connection");
  chip.dataset.state = state;
  chip.textContent = state === "online" && view.unsent ? word("sending") : word(state);
  $("measure").disabled = view.cuff === null || view.measuring;
}

function draw() {
  drawWords();
  drawCard($("call-card"), view.call);
  drawCard($("card"), view.card);
  document.body.dataset.busy = view.call && view.card ? "both" : "";
  document.body.toggleAttribute("data-card", Boolean(view.card || view.call));
  drawIdle();
  drawStanding();
  drawClock();
  speak();
}

// --- time ----------------------------------------------------------------------------------

const format = (at, options) =>
  new Intl.DateTimeFormat(view.language, { timeZone: view.zone, hour12: false, ...options }).format(at);
const hourMinute = (at) => format(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = (at) => format(at, { month: "long", day: "numeric", weekday: "long" });

function instant(at) {
  const same = day(at) === day(Date.now());
  return same ? hourMinute(at) : `${format(at, { month: "short", day: "numeric" })} ${hourMinute(at)}`;
}

function greeting() {
  const hour = Number(format(Date.now(), { hour: "2-digit", hourCycle: "h23" }).slice(0, 2));
  if (hour >= 5 && hour < 11) return "morning";
  if (hour >= 11 && hour < 13) return "noon";
  if (hour >= 13 && hour < 18) return "afternoon";
  return hour >= 18 && hour < 22 ? "evening" : "night";
}

function drawClock() {
  if (!view) return;
  $("time").textContent = view.time_known ? hourMinute(Date.now()) : "--:--";
  $("date").textContent = view.time_known ? day(Date.now()) : word("no_time");
}

// --- voice ---------------------------------------------------------------------------------

function speak() {
  const utterance = view.utterance;
  const first = spoken === null;
  if (!utterance || utterance.number === spoken) {
    if (first) spoken = 0;
    return;
  }
  spoken = utterance.number;
  // What was said before this page was opened is not said again.
  if (first || !view.browser_speaks || !("speechSynthesis" in window)) return;
  const speech = new SpeechSynthesisUtterance(said(utterance.text));
  speech.lang = view.language;
  speech.rate = 0.85;
  speech.volume = view.volume / 100;
  window.speechSynthesis.speak(speech);
}

// --- pressing ------------------------------------------------------------------------------

$("measure").addEventListener("click", () => press({ do: "measure" }));
$("language").addEventListener("click", () => {
  press({ do: "language", value: view && view.language === "en" ? "zh-CN" : "en" });
});

// Press and hold calls at once. A tap, Enter or Space asks first: two steps, no hold needed.
const call = $("call");
let holding = null;
let held = false;
function letGo() {
  clearTimeout(holding);
  call.classList.remove("holding");
}
call.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  held = false;
  call.classList.add("holding");
  holding = setTimeout(() => {
    held = true;
    letGo();
    press({ do: "call", value: "button_hold" });
  }, HOLD_MS);
});
["pointerup", "pointerleave", "pointercancel"].forEach((name) => call.addEventListener(name, letGo));
call.addEventListener("contextmenu", (event) => event.preventDefault());
call.addEventListener("click", () => {
  if (held) {
    held = false;
    return;
  }
  $("confirm").showModal();
});
$("confirm-yes").addEventListener("click", () => {
  $("confirm").close();
  press({ do: "call", value: "button_confirm" });
});
$("confirm-no").addEventListener("click", () => $("confirm").close());

// --- the gateway ---------------------------------------------------------------------------

let goneTimer = null;
function showGone(gone) {
  if (!gone) {
    clearTimeout(goneTimer);
    goneTimer = null;
    $("gone").hidden = true;
  } else if (goneTimer === null) {
    // A call could not go out now, so its dialog makes way for the telephone number.
    goneTimer = setTimeout(() => {
      $("gone-number").textContent = `${word("gone_number")} ${view ? view.emergency_number : ""}`;
      $("confirm").close();
      $("gone").hidden = false;
    }, 4000);
  }
}

const events = new EventSource("/events");
events.onmessage = (event) => {
  showGone(false);
  view = JSON.parse(event.data);
  draw();
};
let failures = 0;
events.onopen = async () => {
  showGone(false);
  // The gateway was started anew: its token changed, so the page is fetched anew.
  if (failures > 0) {
    const answer = await fetch("/token").then((response) => response.json());
    if (answer.token !== token) location.reload();
  }
  failures = 0;
};
events.onerror = () => {
  failures += 1;
  showGone(true);
};
setInterval(drawClock, 1000);
