// One task: what each run made of it, step beside step.

const EVENT_LABELS = { replan: "re-planned", loop: "loop", "asked again": "asked again", note: "note" };

function showEpisode() {
  const entry = entries().find(({ task }) => task === state.task);
  const main = find("episode");
  if (!entry) {
    main.replaceChildren(make("p", "empty", {}, "Choose an episode."));
    return;
  }
  const longest = stepsHere();
  state.step = Math.max(1, Math.min(state.step, longest)); // an address may name more, an episode run anew have fewer
  const grid = make("div", two() ? "runs two" : "runs", {});
  grid.append(...entry.episodes.map((episode, run) => headOf(episode, run)));
  for (let at = 0; at < longest; at += 1) {
    grid.append(...entry.episodes.map((episode, run) => (episode?.steps[at] ? stepOf(episode, run, at) : make("div", "gap", {}))));
  }
  const back = make("button", "to-list", { type: "button", onclick: showListAlone }, "← Episodes");
  main.replaceChildren(back, make("h2", "", {}, entry.task), ...partingNote(entry.task), taskOf(entry), grid);
  markStep();
}

function partingNote(task) {
  if (!two() || !(task in state.data.parting)) return [];
  const at = state.data.parting[task];
  return [make("p", "note", {}, at === null ? "Both runs did the same." : `The runs part at step ${at}.`)];
}

function taskOf(entry) {
  const tasks = new Set(entry.episodes.filter(Boolean).map((episode) => episode.task).filter(Boolean));
  return make("div", "task", {}, ...[...tasks].map((task) => make("p", "text", {}, task)));
}

function headOf(episode, run) {
  if (!episode) return make("section", "head", {}, runName(run), make("p", "empty", {}, "This run has no such task."));
  const { style, sign, label } = result(episode);
  const facts = make("dl", "facts", {});
  const add = (name, ...value) => facts.append(make("dt", "", {}, name), make("dd", "", {}, ...value));
  add("answer", episode.answer === null ? "none" : make("span", "text", {}, episode.answer));
  if (episode.detail) add("why", make("span", "text", {}, episode.detail));
  const family = [episode.family, episode.level ? `level ${episode.level}` : ""].filter(Boolean).join(", ");
  if (family) add("family", family);
  add("cost", `${plural(episode.steps.length, "step")}, ${plural(episode.calls, "planner call")}, ${whole(episode.tokens)} tokens, ${seconds(episode.seconds)}`);
  const line = make("p", "badges", {}, badge(style, sign, label), badge(episode.status === "finished" ? "plain" : "warn", "", episode.status.replaceAll("_", " ")));
  const parts = [runName(run), line, facts];
  return make("section", "head", {}, ...parts, episode.steps.length ? matrixOf(episode, run) : null);
}

function runName(run) {
  return two() ? make("p", "which-run", {}, make("span", "which", {}, letter(run)), state.data.runs[run].name) : null;
}

function stepOf(episode, run, at) {
  const step = episode.steps[at];
  const numbers = `${seconds(step.seconds)} · ${whole(step.input)} + ${whole(step.output)} tokens · ${plural(step.calls, "call")}`;
  const title = make("h3", "", {}, two() ? `${letter(run)} · step ${step.n}` : `Step ${step.n}`);
  const head = make("header", "", {}, title, make("span", "numbers", { title: "time of planning and executing · prompt + reply · planner calls" }, numbers));
  for (const event of step.events) {
    const more = event.text === event.kind ? null : make("span", "text", {}, event.text);
    head.append(make("p", "event", {}, badge("warn", EVENT_SIGNS[event.kind], EVENT_LABELS[event.kind]), more));
  }
  const same = two() && state.data.parting[episode.id] === at + 1;
  if (same) head.append(make("p", "event", {}, badge("warn", "≠", "the runs part here")));
  const article = make("article", step.picture ? "step pictured" : "step", { id: stepId(run, at + 1), tabindex: "-1" }, head);
  article.append(seenOf(episode, at), forecastOf(episode, at), ranOf(episode, at));
  return article;
}

function stepId(run, step) {
  return `step-${letter(run)}${step}`;
}

function part(style, name, ...children) {
  return make("section", style, {}, make("h4", "", {}, name), ...children);
}

function seenOf(episode, at) {
  const step = episode.steps[at];
  const text = at === 0 ? episode.seen : episode.steps[at - 1].back;
  const children = [];
  if (step.picture) children.push(pictureOf(step.picture, step.marks, `screen before step ${step.n}`));
  if (text) children.push(at === 0 || step.picture ? cut(text) : folded(text));
  if (!children.length) children.push(make("p", "dim", {}, at === 0 ? "the task alone" : "nothing"));
  return part("seen", "Saw", ...children);
}

// What the step before returned stands there already.
function folded(text) {
  return make("details", "", {}, make("summary", "dim", {}, "what the step before returned"), make("pre", "text", {}, text));
}

function cut(text) {
  const box = make("pre", "text", {}, text);
  if (text.length < 700 && text.split("\n").length < 12) return box;
  box.classList.add("short");
  const more = make("button", "more", { type: "button", "aria-expanded": "false" }, "Show all");
  more.addEventListener("click", () => {
    const short = box.classList.toggle("short");
    more.textContent = short ? "Show all" : "Show less";
    more.setAttribute("aria-expanded", String(!short));
  });
  return make("div", "", {}, box, more);
}

function forecastOf(episode, at) {
  const step = episode.steps[at];
  const list = make("ol", "pairs", {});
  step.forecast.forEach((pair, ahead) => {
    const { sign, label, style } = outcomeOf(pair, ahead);
    const happened = episode.steps[at + ahead];
    const about = ahead === 0 ? "now" : `step ${step.n + ahead}`;
    const row = make("li", `pair ${style}`, { tabindex: "-1" }, make("span", "about", {}, about), badge(style, sign, label));
    const mark = pair.drawn ? keyOf(ahead ? "ahead" : "planned", step.n + ahead) : null;
    const words = make("div", "words", {}, make("div", "drawn", {}, mark, make("code", "text", {}, pair.action)));
    if (pair.instruction) words.append(make("span", "instruction text", {}, pair.instruction));
    if (pair.came === false && happened) words.append(insteadOf(happened));
    row.append(words);
    list.append(row);
  });
  const name = `Forecast, ${plural(step.forecast.length, "pair")}`;
  return part("forecast", name, step.forecast.length ? list : make("p", "dim", {}, "empty"));
}

function insteadOf(step) {
  const line = make("span", "instead", {}, "ran instead: ", make("code", "text", {}, step.ran));
  if (step.instruction) line.append(" ", make("span", "instruction text", {}, step.instruction));
  return line;
}

function ranOf(episode, at) {
  const step = episode.steps[at];
  const ran = make("div", "ran-action", {}, make("code", "text", {}, step.ran));
  if (step.instruction) ran.append(make("span", "instruction text", {}, step.instruction));
  const back = make("div", step.ok ? "back" : "back failed", {});
  if (!step.ok) back.append(badge("no", "!", step.infrastructure ? "the machinery failed, not the action" : "failed"));
  back.append(step.back ? cut(step.back) : make("p", "dim", {}, "nothing"));
  if (step.after) back.append(pictureOf(step.after, [], `screen after step ${step.n}`));
  return part("ran", "Ran", ran, ...foretoldBy(episode, at), make("h4", "", {}, `Returned, ${seconds(step.toolSeconds)}`), back);
}

// Which earlier steps forecast something for this one.
function foretoldBy(episode, at) {
  const line = make("p", "foretold", {}, "forecast before at step ");
  episode.steps.slice(0, at).forEach((step, earlier) => {
    const pair = step.forecast[at - earlier];
    if (!pair) return;
    const { sign, label, style } = OUTCOMES[pair.came];
    line.append(make("span", `mark ${style}`, { title: `${label}: ${pair.action}` }, `${step.n} ${sign}`), " ");
  });
  return line.children.length ? [line] : [];
}

// The pair of a forecast, brought into view.
function goToPair(run, step, ahead) {
  goToStep(step, run);
  const pair = find(stepId(run, step))?.querySelectorAll(".pair")[ahead];
  for (const old of document.querySelectorAll(".pair.found")) old.classList.remove("found");
  pair?.classList.add("found");
  pair?.focus({ preventScroll: true });
  pair?.scrollIntoView({ block: "nearest" });
}
