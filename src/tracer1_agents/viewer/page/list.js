// The list of episodes and what narrows it.

const haystacks = new WeakMap();

function haystack(episode) {
  if (!haystacks.has(episode)) {
    const parts = [episode.id, episode.family, episode.status, episode.detail, episode.task, episode.answer ?? ""];
    for (const step of episode.steps) {
      parts.push(step.ran, step.instruction, step.back, ...step.forecast.flatMap((pair) => [pair.action, pair.instruction]));
    }
    haystacks.set(episode, parts.join("\n").toLowerCase());
  }
  return haystacks.get(episode);
}

const FILTERS = {
  failed,
  loops: (episode) => episode.status === "loop" || events(episode, "loop") > 0,
  replans: (episode) => events(episode, "replan") > 0,
  missed: (episode) => hits(episode).some((rate) => rate.hits < rate.chances),
  parting: (episode) => state.data.parting[episode.id] != null,
};

function listed() {
  const wanted = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const active = Object.keys(FILTERS).filter((name) => state.filters[name]);
  return entries().filter(({ episodes }) =>
    episodes.filter(Boolean).some(
      (episode) =>
        (!state.family || episode.family === state.family) &&
        active.every((name) => FILTERS[name](episode)) &&
        wanted.every((word) => haystack(episode).includes(word)),
    ),
  );
}

function showList() {
  const all = entries().length;
  const found = listed();
  find("episodes").replaceChildren(...found.map(listRow));
  find("count").textContent = found.length === all ? plural(all, "episode") : `${found.length} of ${plural(all, "episode")}`;
  if (!found.length) find("episodes").append(make("li", "empty", {}, all ? "No episode is like that." : "No episode is finished yet."));
  markOpen();
}

function listRow({ task, episodes }) {
  const button = make("button", "row", { type: "button", "data-task": task, onclick: () => openEpisode(task, 1) });
  button.append(make("span", "name", {}, task));
  episodes.forEach((episode, run) => button.append(scoreLine(episode, run)));
  return make("li", "", {}, button);
}

function scoreLine(episode, run) {
  const line = make("span", "score", {});
  if (two()) line.append(make("span", "which", {}, letter(run)));
  if (!episode) {
    line.append(make("span", "fact", {}, "not in this run"));
    return line;
  }
  const { style, sign, label } = result(episode);
  line.append(badge(style, sign, label));
  const rates = hits(episode);
  const [right, of] = [sum(rates.map((rate) => rate.hits)), sum(rates.map((rate) => rate.chances))];
  const facts = [
    episode.status === "finished" ? null : episode.status.replaceAll("_", " "),
    plural(episode.steps.length, "step"),
    of ? `ahead ${right}/${of}` : null,
    events(episode, "loop") ? `↻ ${plural(events(episode, "loop"), "loop")}` : null,
    events(episode, "replan") ? `⤳ ${plural(events(episode, "replan"), "re-plan")}` : null,
  ];
  line.append(...facts.filter(Boolean).map((fact) => make("span", "fact", {}, fact)));
  return line;
}

function markOpen() {
  for (const row of find("episodes").querySelectorAll(".row")) {
    if (row.dataset.task === state.task) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

function showFamilies() {
  const families = new Set(state.data.runs.flatMap((run) => run.episodes.map((episode) => episode.family)).filter(Boolean));
  const options = ["", ...[...families].sort()].map((family) => make("option", "", { value: family }, family || "all"));
  find("family").replaceChildren(...options);
  find("family").value = state.family;
  find("family").closest("label").hidden = families.size === 0;
  document.querySelector('[data-filter="parting"]').hidden = !two();
}

function wireList() {
  find("search").addEventListener("input", (event) => {
    state.search = event.target.value;
    showList();
  });
  find("family").addEventListener("change", (event) => {
    state.family = event.target.value;
    showList();
  });
  for (const chip of document.querySelectorAll("[data-filter]")) {
    chip.addEventListener("click", () => toggleFilter(chip.dataset.filter));
  }
  find("episodes").addEventListener("keydown", (event) => {
    const rows = [...find("episodes").querySelectorAll(".row")];
    const at = rows.indexOf(document.activeElement) + { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!rows[at]) return;
    event.preventDefault();
    rows[at].focus();
  });
}

function toggleFilter(name) {
  state.filters[name] = !state.filters[name];
  document.querySelector(`[data-filter="${name}"]`).setAttribute("aria-pressed", String(state.filters[name]));
  showList();
}

function focusList() {
  const rows = find("episodes");
  (rows.querySelector('[aria-current="true"]') ?? rows.querySelector(".row"))?.focus();
}
