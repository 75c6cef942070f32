// The matrix: a row for the step that made a forecast, a column for the step it was about.

const WINDOW = 30; // rows and columns at one time; longer episodes show those around the current step

function matrixOf(episode, run) {
  const steps = episode.steps;
  const from = Math.max(0, Math.min(state.step - 1 - WINDOW / 2, steps.length - WINDOW));
  const shown = steps.slice(from, from + WINDOW);
  const head = make("tr", "", {}, make("th", "corner", { scope: "col" }, "forecast at ↓  for →"));
  for (const step of shown) head.append(make("th", "", { scope: "col", title: `step ${step.n}: ${step.ran}` }, String(step.n)));
  const beyond = shown.some((step, at) => step.forecast.length > steps.length - from - at);
  if (beyond) head.append(make("th", "", { scope: "col", title: "pairs about steps that never came" }, "later"));
  const body = make("tbody", "", {});
  shown.forEach((step, at) => body.append(matrixRow(episode, run, from, from + at, shown.length, beyond)));
  const table = make("table", "matrix", { "aria-label": "Forecast at one step against what ran at another" }, make("thead", "", {}, head), body);
  table.addEventListener("keydown", moveInMatrix);
  const first = table.querySelector("tbody button");
  if (first) first.tabIndex = 0;
  const part = steps.length > shown.length ? ` Steps ${shown[0].n} to ${shown.at(-1).n} of ${steps.length}, around the current one.` : "";
  return make(
    "section",
    "matrix-part",
    {},
    make("h3", "", {}, "Forecast against what ran"),
    make("div", "scroll", { tabindex: "-1" }, table),
    make("p", "note", {}, badge("ran", "→", "ran at once"), badge("yes", "✓", "came true"), badge("no", "✗", "did not"), badge("open", "·", "not known"), part),
    ratesOf(episode),
  );
}

function matrixRow(episode, run, from, at, columns, beyond) {
  const step = episode.steps[at];
  const head = make("th", "", { scope: "row", title: step.kind }, make("span", "n", {}, String(step.n)), " ");
  for (const { kind, text } of step.events) {
    if (kind !== "note") head.append(make("span", "happened", { title: text }, EVENT_SIGNS[kind]), " ");
  }
  head.append(make("span", "kind", {}, step.kind));
  const row = make("tr", "", { "data-step": at + 1 }, head);
  for (let column = from; column < from + columns; column += 1) {
    const pair = column >= at ? step.forecast[column - at] : undefined;
    row.append(make("td", "", {}, pair ? cell(episode, run, at, column, pair) : ""));
  }
  if (beyond) {
    const more = step.forecast.length - (episode.steps.length - at);
    row.append(make("td", "more", {}, more > 0 ? `+${more}` : ""));
  }
  return row;
}

function cell(episode, run, at, column, pair) {
  const { sign, label, style } = outcomeOf(pair, column - at);
  const words = `forecast at step ${episode.steps[at].n} for step ${episode.steps[column].n}, ${label}: ${pair.action}`;
  return make(
    "button",
    `cell ${style}`,
    { type: "button", tabindex: "-1", title: words, "aria-label": words, onclick: () => goToPair(run, at + 1, column - at) },
    sign,
  );
}

// Hits by distance, as numbers and as bars.
function ratesOf(episode) {
  const list = make("dl", "rates", {});
  for (const { ahead, hits: right, chances } of hits(episode)) {
    list.append(
      make("dt", "", {}, `${plural(ahead, "step")} ahead`),
      make("dd", "", {}, barOf(right / chances), `${right} of ${chances}`),
    );
  }
  return list;
}

function barOf(share) {
  const full = make("span", "full", {});
  full.style.width = `${100 * share}%`;
  return make("span", "meter", { "aria-hidden": "true" }, full);
}

function moveInMatrix(event) {
  const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const box = event.target.closest("td");
  if (!by || !box) return;
  event.preventDefault();
  const rows = [...box.closest("tbody").rows];
  const next = rows[rows.indexOf(box.parentElement) + by[0]]?.cells[box.cellIndex + by[1]]?.querySelector("button");
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function focusMatrix() {
  const body = find("episode").querySelector(".matrix tbody");
  const row = body?.querySelector(`[data-step="${state.step}"]`) ?? body;
  (row?.querySelector(".cell") ?? body?.querySelector(".cell"))?.focus();
}
