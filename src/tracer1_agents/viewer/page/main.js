// Moving about: the address, the keys, the theme, and a run that still grows.

const THEMES = ["auto", "light", "dark"]; // auto: as the system has it
const POLL = 2000; // milliseconds between two looks at a growing run

function stepsHere() {
  const entry = entries().find(({ task }) => task === state.task);
  return Math.max(0, ...(entry?.episodes ?? []).map((episode) => episode?.steps.length ?? 0));
}

function openEpisode(task, step) {
  state.task = task;
  state.step = step;
  document.body.classList.add("reading");
  showEpisode();
  markOpen();
  remember();
  if (state.step > 1) goToStep(state.step);
  else {
    find("episode").focus({ preventScroll: true });
    window.scrollTo(0, 0);
    find("episode").scrollTo(0, 0);
  }
}

function showListAlone() {
  document.body.classList.remove("reading");
  focusList();
}

// The episode and step that the address names; nothing where the runs have no such task.
function addressed() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const wanted = entries().find(({ task }) => task === asked.get("task"));
  return wanted && { task: wanted.task, step: Number.parseInt(asked.get("step"), 10) || 1 };
}

function remember() {
  const address = new URLSearchParams({ task: state.task, step: state.step });
  history.replaceState(null, "", `#${address}`);
}

function goToStep(step, run = 0) {
  if (step < 1 || step > stepsHere()) return;
  const before = state.step;
  state.step = step;
  if (before !== step && stepsHere() > WINDOW) renewMatrix();
  markStep();
  remember();
  const article = find(stepId(run, step)) ?? find(stepId(1, step));
  article?.focus({ preventScroll: true });
  bringUp(article, 3);
}

// Steps above get their real heights only once they come near, which moves what is below them: scroll again then.
function bringUp(article, times) {
  article?.scrollIntoView({ block: "start" });
  if (times > 1) requestAnimationFrame(() => bringUp(article, times - 1));
}

// In a long episode the matrix shows the steps around the current one.
function renewMatrix() {
  const entry = entries().find(({ task }) => task === state.task);
  const shown = find("episode").querySelectorAll(".matrix-part");
  const long = entry.episodes.map((episode, run) => [episode, run]).filter(([episode]) => episode?.steps.length);
  long.forEach(([episode, run], at) => shown[at]?.replaceWith(matrixOf(episode, run)));
}

function markStep() {
  for (const old of find("episode").querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
  state.data.runs.forEach((_, run) => find(stepId(run, state.step))?.setAttribute("aria-current", "step"));
  for (const row of find("episode").querySelectorAll(`tr[data-step="${state.step}"]`)) row.setAttribute("aria-current", "step");
}

function goToEpisode(by) {
  const tasks = listed().map(({ task }) => task);
  const next = tasks[tasks.indexOf(state.task) + by];
  if (next === undefined) return;
  openEpisode(next, 1);
  find("episodes").querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  find("theme").textContent = `Theme: ${theme}`;
  try {
    localStorage.setItem("tracer1-theme", theme);
  } catch {
    // a browser that keeps nothing for files forgets the theme, no more
  }
}

function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
}

function firstTheme() {
  try {
    const kept = localStorage.getItem("tracer1-theme");
    return THEMES.includes(kept) ? kept : "auto";
  } catch {
    return "auto";
  }
}

const KEYS = {
  j: () => goToStep(state.step + 1),
  k: () => goToStep(state.step - 1),
  n: () => goToEpisode(1),
  p: () => goToEpisode(-1),
  m: focusMatrix,
  l: showListAlone,
  f: () => toggleFilter("failed"),
  t: nextTheme,
  "/": () => {
    showListAlone();
    find("search").focus();
  },
  "?": () => find("help").showModal(),
};

function wireKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  find("theme").addEventListener("click", nextTheme);
  find("help-open").addEventListener("click", () => find("help").showModal());
  window.addEventListener("hashchange", () => { // another address in this tab; the page's own changes are not told
    const there = addressed();
    if (there) openEpisode(there.task, there.step);
  });
}

function showRuns() {
  const names = state.data.runs.map((run, at) => {
    const scored = run.episodes.filter((episode) => episode.correct !== null);
    const right = scored.filter((episode) => episode.correct).length;
    const score = scored.length ? `${right} of ${scored.length} correct` : plural(run.episodes.length, "episode");
    const setup = run.setup.map(([name, value]) => `${name}: ${value}`).join("\n");
    return make("span", "run", { title: setup }, two() ? make("span", "which", {}, letter(at)) : null, make("b", "", {}, run.name), ` ${score}`);
  });
  find("runs").replaceChildren(...names);
  const problems = state.data.runs.flatMap((run) => run.problems).map((problem) => make("p", "notice", {}, problem));
  find("problems").replaceChildren(...problems);
  document.title = `${state.data.runs.map((run) => run.name).join(" and ")} · forecast and outcome`;
}

let tag = "";
async function look() {
  try {
    const answer = await fetch("data.json", { headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag") ?? "";
      renew(await answer.json());
    }
    find("live").textContent = answer.ok || answer.status === 304 ? "live" : "the run cannot be read at the moment";
  } catch {
    find("live").textContent = "the server has ended";
  }
  setTimeout(look, POLL);
}

// The open episode is left alone, scroll place and all, unless it is what changed.
function renew(fresh) {
  const of = (data) => JSON.stringify(data.runs.map((run) => run.episodes.find((episode) => episode.id === state.task)));
  const same = of(fresh) === of(state.data);
  const [focused, kept] = [document.activeElement?.dataset?.task, state.task];
  state.data = fresh;
  if (kept === null) {
    openFirst();
    return;
  }
  showRuns();
  showFamilies();
  showList();
  if (focused !== undefined) [...find("episodes").querySelectorAll(".row")].find((row) => row.dataset.task === focused)?.focus();
  if (!same) showEpisode();
}

function openFirst() {
  const all = entries();
  const wanted = addressed();
  state.task = all[0]?.task ?? null;
  showRuns();
  showFamilies();
  showList();
  document.body.classList.toggle("reading", all.length === 1);
  if (wanted) openEpisode(wanted.task, wanted.step);
  else showEpisode();
}

setTheme(firstTheme());
wireList();
wireKeys();
openFirst();
if (state.data.live) look();
