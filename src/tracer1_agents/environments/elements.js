// Lists what a person could see or use in the given part of the page, in document order: one call, no waiting.
// Arguments: [width, height, skip]; skip is a selector of parts that are not shown to the agent.
// Boxes are CSS pixels of the viewport: left, top, width, height.
([width, height, skip]) => {
  const TAGS = {
    A: "link", BUTTON: "button", SELECT: "listbox", TEXTAREA: "textbox", IMG: "image", OPTION: "option",
    SUMMARY: "button", H1: "heading", H2: "heading", H3: "heading", H4: "heading", TD: "cell", TH: "columnheader",
    LI: "listitem", CANVAS: "canvas", VIDEO: "video", DIALOG: "dialog",
  };
  const INPUTS = {
    button: "button", submit: "button", reset: "button", image: "button", checkbox: "checkbox", radio: "radio",
    range: "slider", number: "spinbutton", color: "color", file: "file", password: "password", search: "searchbox",
  };
  const WHOLE = new Set(["button", "link", "option", "tab", "menuitem", "listbox", "textbox", "checkbox", "radio"]);
  const found = [];
  const clean = (text) => (text || "").replace(/\s+/g, " ").trim();
  const cut = (text) => (text.length > 200 ? text.slice(0, 197) + "..." : text);

  // a form's fields shadow its own properties (<input name="children">): they are read from its class
  const unshadowed = (node) => {
    if (Object.prototype.toString.call(node) !== "[object HTMLFormElement]") return node;
    const own = Object.getPrototypeOf(node);
    return new Proxy(node, { get: (form, name) => {
      const value = Reflect.get(own, name, form);
      return typeof value === "function" ? value.bind(form) : value;
    } });
  };

  const roleOf = (node) => {
    const given = node.getAttribute("role");
    if (node.tagName === "INPUT" && node.type === "password") return "password";  // whatever it says of itself
    if (given && given !== "presentation" && given !== "none") return given;
    if (node.tagName === "INPUT") return INPUTS[node.type] || "textbox";
    if (node instanceof SVGElement) return "shape";
    if (node.isContentEditable && !(node.parentElement && node.parentElement.isContentEditable)) return "textbox";
    return TAGS[node.tagName] || "text";
  };

  const nameOf = (node, role) => {
    const said = node.getAttribute("aria-label");
    if (said) return clean(said);
    const by = node.getAttribute("aria-labelledby");
    if (by) {
      const parts = by.split(/\s+/).map((id) => node.ownerDocument.getElementById(id));
      const text = clean(parts.map((part) => (part ? part.textContent : "")).join(" "));
      if (text) return text;
    }
    if (node.tagName === "INPUT" && role === "button") return clean(node.value || node.alt || node.type);
    if (node.labels && node.labels.length) {
      const text = clean(Array.from(node.labels).map((label) => label.textContent).join(" "));
      if (text) return text;
    }
    if (node.tagName === "SELECT" || node.tagName === "INPUT" || node.tagName === "TEXTAREA")
      return clean(node.placeholder || node.title || node.name || node.id);
    if (role === "shape") return shapeName(node);
    const text = clean(node.innerText === undefined ? node.textContent : node.innerText);
    if (text) return text;
    const inner = node.querySelector("[alt],[title],[aria-label]");
    return clean(node.title || node.getAttribute("alt") || node.getAttribute("data-title")
      || (inner && (inner.title || inner.alt || inner.getAttribute("aria-label"))) || drawnName(node));
  };

  // what has no words is known by how it was drawn: its colour, else its id or class
  const drawnName = (node) => {
    const colour = node.style && node.style.backgroundColor;
    return clean([colour, node.id || String(node.className || "")].filter(Boolean).join(" "));
  };
  const shapeName = (node) => {
    const style = getComputedStyle(node);
    const fill = node.getAttribute("fill") || (node.style && node.style.fill) || style.fill;
    const text = clean(node.textContent);
    return clean([fill !== "none" ? fill : "", node.tagName.toLowerCase(), text].filter(Boolean).join(" "));
  };

  const valueOf = (node, role) => {
    if (node.tagName === "SELECT") return Array.from(node.selectedOptions).map((one) => clean(one.text)).join(", ");
    if (role === "password") return node.value ? "*".repeat(node.value.length) : "";
    if (role === "checkbox" || role === "radio" || role === "button" || role === "file") return "";
    if (node.tagName === "INPUT" || node.tagName === "TEXTAREA") return node.value;
    return node.getAttribute("aria-valuenow") || "";
  };

  const statesOf = (node, role) => {
    const states = [];
    if (node.checked || node.getAttribute("aria-checked") === "true") states.push("checked");
    if (node.getAttribute("aria-selected") === "true") states.push("selected");
    const open = node.getAttribute("aria-expanded");
    if (open) states.push(open === "true" ? "expanded" : "collapsed");
    if (node.disabled || node.getAttribute("aria-disabled") === "true") states.push("disabled");
    if (node.ownerDocument.activeElement === node && node.tagName !== "BODY" && node.tagName !== "IFRAME")
      states.push("focused");
    return states;
  };

  const clickable = (node, style) => node.onclick || node.hasAttribute("onclick") || node.hasAttribute("role")
    || node.draggable && node.tagName !== "IMG" && node.tagName !== "A" || node.hasAttribute("tabindex")
    || (style.cursor === "pointer" && node.parentElement
        && getComputedStyle(node.parentElement).cursor !== "pointer");

  // a control that is there for programs alone, with a styled label in its place
  const hidden = (node) => {
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    return style.display === "none" || style.visibility !== "visible" || Number(style.opacity) <= 0.01
      || box.width < 2 || box.height < 2;
  };
  const positioned = (style) => style.position !== "static" || style.transform !== "none";
  // an overflow of the body is the window's, unless the root has one of its own
  const windowScrolls = (node) => node.tagName === "BODY" && node === node.ownerDocument.body
    && getComputedStyle(node.ownerDocument.documentElement).overflowX === "visible"
    && getComputedStyle(node.ownerDocument.documentElement).overflowY === "visible";
  const childrenOf = (node) => {
    if (node.shadowRoot) return node.shadowRoot.children;
    const given = node.tagName === "SLOT" ? node.assignedElements({ flatten: true }) : [];
    return given.length ? given : node.children;
  };

  const SHAPES = new Set(["circle", "rect", "polygon", "path", "ellipse", "text", "line"]);
  const ownText = (node) => Array.from(node.childNodes).some((child) => child.nodeType === 3 && clean(child.data));

  // clips: what bounds children in the flow, absolute ones, fixed ones
  const walk = (element, clips, shift) => {
    const node = unshadowed(element);
    if (node.nodeType !== 1 || (skip && node.matches(skip)) || /^(SCRIPT|STYLE|TEMPLATE|NOSCRIPT|HEAD)$/.test(node.tagName))
      return;
    const style = getComputedStyle(element);
    if (style.display === "none" || Number(style.opacity) <= 0.01) return;  // with all that it holds
    const clip = style.position === "fixed" ? clips.fixed : style.position === "absolute" ? clips.absolute : clips.flow;
    const rect = node.getBoundingClientRect();
    const box = [rect.left + shift[0], rect.top + shift[1], rect.right + shift[0], rect.bottom + shift[1]];
    const seen = [Math.max(box[0], clip[0]), Math.max(box[1], clip[1]), Math.min(box[2], clip[2]), Math.min(box[3], clip[3])];
    const visible = seen[2] - seen[0] >= 1 && seen[3] - seen[1] >= 1 && style.visibility === "visible";
    const icon = !node.childElementCount && !ownText(node)
      && (style.backgroundImage !== "none" || style.content.startsWith("url") || node.style.backgroundColor);
    const styled = node.tagName === "LABEL" && node.control && hidden(node.control) ? node.control : null;
    const given = roleOf(styled || node);
    const role = icon && given === "text" ? "image" : given;
    const graphic = node instanceof SVGElement;
    const listed = visible && (graphic ? SHAPES.has(node.tagName) : role !== "text" && TAGS[node.tagName] !== "listitem"
      || icon || ownText(node) || clickable(node, style));
    const covers = listed && WHOLE.has(role);
    if (listed && (styled || !(node.tagName === "LABEL" && node.control))) {
      found.push({
        role, name: cut(nameOf(node, role)), value: cut(valueOf(node, role)), states: statesOf(styled || node, role),
        options: node.tagName === "SELECT" ? Array.from(node.options).slice(0, 50).map((one) => clean(one.text)) : [],
        box: [seen[0], seen[1], seen[2] - seen[0], seen[3] - seen[1]],
      });
    }
    if (covers && node.tagName !== "DIV" && node.tagName !== "LI" && node.tagName !== "SPAN") return;
    const cuts = (style.overflowX !== "visible" || style.overflowY !== "visible") && !windowScrolls(node);
    const flow = cuts ? seen : clip;
    const within = { flow, absolute: positioned(style) ? flow : clips.absolute, fixed: clips.fixed };
    for (const child of childrenOf(node)) {
      try { walk(child, within, shift); } catch (error) { /* one odd node hides no others */ }
    }
    if (node.tagName === "IFRAME" || node.tagName === "FRAME") {
      let page = null;
      try { page = node.contentDocument; } catch (error) { page = null; }
      if (page && page.body)
        walk(page.body, { flow: seen, absolute: seen, fixed: seen }, [box[0] + node.clientLeft, box[1] + node.clientTop]);
    }
  };
  const all = [0, 0, width, height];
  // fields shadow the document's properties, too (<form name="body">)
  const [body, end] = ["body", "scrollingElement"].map((name) => Reflect.get(Document.prototype, name, document));
  if (body) walk(body, { flow: all, absolute: all, fixed: all }, [0, 0]);
  const more = [];
  if (end && end.scrollTop > 1) more.push("up");
  if (end && end.scrollTop + window.innerHeight < end.scrollHeight - 1) more.push("down");
  return { elements: found, more };
}
