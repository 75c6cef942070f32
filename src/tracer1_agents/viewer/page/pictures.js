// Screenshots: decoded when they come near the window, with the places of clicks drawn over them.

const SVG = "http://www.w3.org/2000/svg";
const ROLES = { ran: "ran here", planned: "forecast for now", ahead: "forecast for later", earlier: "forecast earlier for now" };

const nearby = new IntersectionObserver(
  (seen) => {
    for (const entry of seen) {
      if (!entry.isIntersecting) continue;
      nearby.unobserve(entry.target);
      showPicture(entry.target);
    }
  },
  { rootMargin: "600px" },
);

function showPicture(image) {
  const key = image.dataset.key;
  if (state.data.live) {
    image.src = `pictures/${key}`;
    return;
  }
  const block = find(key);
  const parsing = document.readyState === "loading";
  if (block && (block.nextElementSibling || !parsing)) image.src = `data:${block.dataset.kind};base64,${block.textContent}`;
  else if (parsing) setTimeout(() => showPicture(image), 30); // the browser has not read the file that far
}

// A picture with its marks, or why there is none.
function pictureOf(picture, marks, title) {
  if (!picture.key) return make("p", "left-out", {}, picture.why);
  const { width, height } = picture;
  const image = make("img", "", { alt: title, width, height, decoding: "async", "data-key": picture.key });
  nearby.observe(image);
  const shown = make("button", "screen", { type: "button", "aria-label": `${title}: larger or smaller`, "aria-pressed": "false" }, image);
  shown.addEventListener("click", () => {
    shown.setAttribute("aria-pressed", String(shown.closest("figure").classList.toggle("large")));
  });
  if (marks.length) shown.append(drawn(marks, width, height));
  const figure = make("figure", "", {}, shown);
  if (marks.length) figure.append(legend(marks));
  const why = "this picture cannot be shown: it is damaged" + (state.data.live ? ", or the server has ended" : "");
  image.addEventListener("error", () => figure.replaceChildren(make("p", "left-out", {}, why)));
  return figure;
}

function legend(marks) {
  const line = make("figcaption", "legend", {});
  for (const role of Object.keys(ROLES)) {
    const found = marks.filter((mark) => mark.role === role);
    if (!found.length) continue;
    const named = { earlier: ", at step ", ahead: ", by step: " }[role];
    const steps = [...new Set(found.map((mark) => mark.step))].sort((one, other) => one - other).join(", ");
    line.append(make("span", "", {}, keyOf(role, ""), ROLES[role] + (named ? named + steps : "")));
  }
  return line;
}

// The mark of a role as it stands on a picture, small.
function keyOf(role, number) {
  const key = shape("svg", { class: `key ${role}`, viewBox: "-12 -12 24 24", "aria-hidden": "true" });
  key.append(...glyph(role, 0, 0, { ran: 9, ahead: 6.5 }[role] ?? 5.5, number));
  return key;
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Forecasts of one role for one place are one ring with all their steps.
function gathered(marks, width, height, near) {
  const found = [];
  for (const mark of marks) {
    const [x, y] = mark.points[0];
    const twin = found.find(
      (other) => other.role === mark.role && mark.points.length === 1 && other.points.length === 1 &&
        Math.hypot((other.points[0][0] - x) * width, (other.points[0][1] - y) * height) < near,
    );
    if (twin) twin.step += `, ${mark.step}`;
    else found.push({ ...mark });
  }
  return found;
}

function drawn(marks, width, height) {
  const over = shape("svg", { class: "marks", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const size = Math.max(width, height) / 70;
  const now = Math.min(...marks.filter((mark) => mark.role !== "earlier").map((mark) => mark.step));
  for (const mark of gathered(marks, width, height, size * 2)) {
    const group = shape("g", { class: mark.role });
    if (mark.role === "ahead") group.setAttribute("opacity", faintness(parseInt(mark.step, 10) - now));
    const places = mark.points.map(([x, y]) => [x * width, y * height]);
    if (places.length > 1) {
      const [[x1, y1], [x2, y2]] = places;
      group.append(shape("line", { x1, y1, x2, y2, class: "halo" }), shape("line", { x1, y1, x2, y2 }));
    }
    for (const [x, y] of places) group.append(...glyph(mark.role, x, y, size, mark.step));
    if (mark.role === "earlier") {
      const [x, y] = places[0];
      const label = shape("text", { x: x + size * 1.9, y: y - size * 1.1, "font-size": size * 1.7 });
      label.textContent = mark.step;
      group.append(label);
    }
    over.append(group);
  }
  return over;
}

// The farther ahead, the fainter, but never so faint that it cannot be read.
function faintness(ahead) {
  return Math.max(0.5, 1 - 0.12 * ahead).toFixed(2);
}

// A cross for what ran, a ring for what was forecast for now, a numbered ring for later, a broken one for earlier.
function glyph(role, x, y, size, number) {
  if (role === "ran") {
    const path = `M${x - size} ${y}H${x + size}M${x} ${y - size}V${y + size}`;
    return [shape("path", { d: path, class: "halo" }), shape("path", { d: path })];
  }
  const circle = { cx: x, cy: y, r: { planned: 1.35, ahead: 1.5 }[role] * size || size * 1.9 };
  const rings = [shape("circle", { ...circle, class: "halo" }), shape("circle", circle)];
  if (role !== "ahead" || number === "") return rings;
  const label = shape("text", { x, y, "font-size": size * (String(number).length > 2 ? 1.1 : 1.7) });
  label.textContent = number;
  return [...rings, label];
}
