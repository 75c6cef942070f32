// What every part uses: elements, numbers, and the state of the page. Text is only ever set as text.

const state = {
  data: JSON.parse(document.getElementById("data").textContent),
  task: null, // id of the episode that is open
  step: 1, // place of the current step in it, from 1
  filters: { failed: false, loops: false, replans: false, missed: false, parting: false },
  search: "",
  family: "",
};

const EVENT_SIGNS = { replan: "⤳", loop: "↻", "asked again": "?", note: "!" };

const OUTCOMES = {
  true: { sign: "✓", label: "came true", style: "yes" },
  false: { sign: "✗", label: "did not", style: "no" },
  null: { sign: "·", label: "not known", style: "open" },
};

// What became of a pair; the first pair of a forecast runs at once, which says nothing of foresight.
function outcomeOf(pair, ahead) {
  return ahead === 0 && pair.came ? { sign: "→", label: "ran", style: "ran" } : OUTCOMES[pair.came];
}

// An element with a class, attributes and children; a child that is a string becomes text.
function make(tag, style = "", attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function find(id) {
  return document.getElementById(id);
}

function whole(number) {
  return Number.isFinite(number) ? number.toLocaleString("en-GB") : "–";
}

function seconds(number) {
  if (!Number.isFinite(number)) return "– s";
  return `${number < 10 ? number.toFixed(2) : number.toFixed(1)} s`;
}

function plural(number, word) {
  return `${whole(number)} ${word}${number === 1 ? "" : "s"}`;
}

function two() {
  return state.data.runs.length > 1;
}

function letter(run) {
  return two() ? "AB"[run] : "";
}

// Per task, the episode of each run (undefined where a run has none), in the order of the first run.
function entries() {
  const byTask = new Map();
  state.data.runs.forEach((run, at) => {
    for (const episode of run.episodes) {
      if (!byTask.has(episode.id)) byTask.set(episode.id, []);
      byTask.get(episode.id)[at] = episode;
    }
  });
  return [...byTask].map(([task, episodes]) => ({
    task,
    episodes: state.data.runs.map((_, at) => episodes[at]),
  }));
}

// Hits and chances of an episode's forecasts by distance; distance 0 ran at once and says nothing.
function hits(episode) {
  const rates = [];
  for (const step of episode.steps) {
    step.forecast.forEach((pair, ahead) => {
      if (ahead === 0 || pair.came === null) return;
      rates[ahead] ??= { ahead, hits: 0, chances: 0 };
      rates[ahead].hits += pair.came ? 1 : 0;
      rates[ahead].chances += 1;
    });
  }
  return rates.filter(Boolean);
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function events(episode, kind) {
  return sum(episode.steps.map((step) => step.events.filter((event) => event.kind === kind).length));
}

function failed(episode) {
  return episode.correct === false || episode.status !== "finished";
}

function result(episode) {
  if (episode.correct === true) return { ...OUTCOMES.true, label: "correct" };
  if (episode.correct === false) return { ...OUTCOMES.false, label: "wrong" };
  return { ...OUTCOMES.null, label: "not scored" };
}

function badge(style, sign, label) {
  return make("span", `badge ${style}`, {}, make("span", "sign", { "aria-hidden": "true" }, sign), label);
}
