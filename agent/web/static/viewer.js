// The viewer of the study page: its images, what the buttons and keys do, and what it says. See docs/worklist.md.
import {
  AngleTool,
  Enums,
  LengthTool,
  PanTool,
  RenderingEngine,
  Settings,
  ToolEnums,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
  addTool,
  initCore,
  initTools,
  setUseCPURendering,
} from "./cornerstone.js";
import { imageIdOf, register } from "./viewer_frame.js";
import { Pane } from "./viewer_pane.js";
import { lengthText, angleText, place } from "./viewer_measure.js";

const { MouseBindings } = ToolEnums;
const TOOLS = { window: WindowLevelTool, pan: PanTool, zoom: ZoomTool, length: LengthTool, angle: AngleTool };
const MEASURES = {
  calibrated: "Lengths are in mm, calibrated as the image says.",
  detector: "Lengths are in mm at the detector: in the patient they are shorter.",
  film: "Lengths are in mm on the film that was scanned.",
  unstated: "Lengths are in mm; the image does not say whether they are calibrated.",
  none: "Not calibrated: lengths are in pixels.",
};
const section = document.getElementById("viewer");
const find = (selector) => section.querySelector(selector);
const stated = JSON.parse(section.dataset.images);
const round = (number) => Number(number.toFixed(Math.abs(number) < 10 ? 2 : 0));

const panes = [];
let active = null;
let tools = null;

function start() {
  initCore();
  Settings.getRuntimeSettings().set("useCursors", false); // they are pictures made by script, which the site's policy forbids
  setUseCPURendering(true, false);
  initTools();
  register();
  const engine = new RenderingEngine("engine");
  tools = ToolGroupManager.createToolGroup("tools");
  for (const [name, tool] of Object.entries(TOOLS)) {
    addTool(tool);
    tools.addTool(tool.toolName, name === "length" ? { getTextLines: lengthText } : name === "angle" ? { getTextLines: angleText } : {});
  }
  for (const element of section.querySelectorAll(".pane")) {
    const pane = new Pane(element, engine, element.id);
    tools.addViewport(pane.id, "engine");
    panes.push(pane);
    element.addEventListener("pointerdown", () => choose(pane), { capture: true });
    element.addEventListener("focusin", () => choose(pane));
    element.addEventListener("shown", say);
    pane.stage.addEventListener(Enums.Events.VOI_MODIFIED, say);
    new ResizeObserver(() => resized(engine)).observe(pane.stage);
  }
  active = panes[0];
  use("window");
  if (stated.length > 0) active.show(stated[Math.max(0, stated.findIndex((image) => image.first))]);
}

let waiting = 0;
function resized(engine) {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => engine.resize(true, true));
}

function choose(pane) {
  if (active === pane) return;
  active = pane;
  say();
}

// The tool of the left button and of one finger; the others keep their buttons.
function use(name) {
  for (const tool of Object.values(TOOLS)) tools.setToolPassive(tool.toolName, { removeAllBindings: true });
  const bindings = { [name]: [{ mouseButton: MouseBindings.Primary }, { numTouchPoints: 1 }] };
  (bindings.pan ??= []).push({ mouseButton: MouseBindings.Auxiliary });
  (bindings.zoom ??= []).push({ mouseButton: MouseBindings.Secondary }, { mouseButton: MouseBindings.Wheel }, { numTouchPoints: 2 });
  for (const [one, wanted] of Object.entries(bindings)) tools.setToolActive(TOOLS[one].toolName, { bindings: wanted });
  section.dataset.tool = name;
  for (const button of section.querySelectorAll("[data-use]")) button.setAttribute("aria-pressed", String(button.dataset.use === name));
}

function step(by) {
  const { image, number } = active;
  if (image === null) return;
  const wanted = number + by;
  if (wanted >= 1 && wanted <= image.frames) return void active.show(image, wanted);
  const next = stated[stated.indexOf(image) + by];
  if (next !== undefined) active.show(next, by > 0 ? 1 : next.frames || 1);
}

const ACTIONS = {
  fit: () => active.fit(),
  real: () => { active.scale = 1; },
  in: () => active.zoom(1),
  out: () => active.zoom(-1),
  left: () => active.pan(1, 0),
  right: () => active.pan(-1, 0),
  up: () => active.pan(0, 1),
  down: () => active.pan(0, -1),
  brighter: () => active.shift(-1, 0),
  darker: () => active.shift(1, 0),
  narrower: () => active.shift(0, -1),
  wider: () => active.shift(0, 1),
  invert: () => { active.inverted = !active.inverted; say(); },
  reset: () => { active.forget(false); active.reset(); },
  next: () => step(1),
  previous: () => step(-1),
  forget: () => active.forget(true),
  measure: () => place(active, section.dataset.tool),
  heat: () => heat(!active.heat.wanted),
  compare: () => compare(panes[1].element.hidden),
};

// While the viewer has the focus; Shift, Control and Alt are the browser's.
const KEYS = {
  w: () => use("window"), p: () => use("pan"), z: () => use("zoom"), l: () => use("length"), a: () => use("angle"),
  f: ACTIONS.fit, 1: ACTIONS.real, "+": ACTIONS.in, "-": ACTIONS.out, i: ACTIONS.invert, r: ACTIONS.reset,
  h: ACTIONS.heat, c: ACTIONS.compare, n: ACTIONS.next, b: ACTIONS.previous, Delete: ACTIONS.forget, Enter: ACTIONS.measure,
  ".": ACTIONS.brighter, ",": ACTIONS.darker, "[": ACTIONS.narrower, "]": ACTIONS.wider,
  ArrowLeft: ACTIONS.left, ArrowRight: ACTIONS.right, ArrowUp: ACTIONS.up, ArrowDown: ACTIONS.down,
};

function pressed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const inside = event.target.closest(".stage");
  if (event.target.closest("input:not([type=range]), select, textarea")) return;
  if (!inside && (event.key.startsWith("Arrow") || event.key === "Enter")) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act === undefined || active === null) return;
  event.preventDefault();
  event.stopPropagation(); // the page has keys of its own
  act();
}

async function heat(on) {
  await Promise.all(panes.map((pane) => pane.heat.turn(on)));
  say();
}

function compare(on) {
  panes[1].element.hidden = !on;
  section.classList.toggle("two", on);
  if (on && panes[1].image === null) {
    const other = stated.find((image) => image.prior && !image.gone) ?? stated.find((image) => image !== panes[0].image && !image.gone);
    if (other !== undefined) panes[1].show(other);
  }
  choose(panes[on ? 1 : 0]);
  say();
}

function number(input, apply) {
  const value = Number(input.value);
  if (input.value !== "" && Number.isFinite(value)) apply(value);
  say();
}

// Everything that the viewer says about what it shows.
function say() {
  const { image, frame } = active;
  for (const pane of panes) pane.element.classList.toggle("active", pane === active && !panes[1].element.hidden);
  for (const button of section.querySelectorAll(".strip button")) {
    button.setAttribute("aria-current", String(image !== null && button.dataset.image === image.id));
  }
  find("[data-do=invert]").setAttribute("aria-pressed", String(frame !== undefined && active.inverted));
  find("[data-do=compare]").setAttribute("aria-pressed", String(!panes[1].element.hidden));
  sayHeat();
  for (const pane of panes) {
    pane.element.querySelector(".about").textContent = pane.image === null ? "" : about(pane);
    pane.element.classList.toggle("prior", pane.image?.prior === true);
  }
  const shown = frame !== undefined;
  for (const control of section.querySelectorAll(".tools :is(button, input, select)")) {
    if (!control.matches("[data-do=next], [data-do=previous], [data-do=compare]")) control.disabled = !shown;
  }
  if (!shown) return;
  const { center, width } = active.window;
  if (document.activeElement !== find("[name=center]")) find("[name=center]").value = round(center);
  if (document.activeElement !== find("[name=width]")) find("[name=width]").value = round(width);
  presets(frame);
  find(".measure").textContent = MEASURES[frame.measure];
}

function about({ image, number: at, frame, scale }) {
  const parts = [image.label];
  if (image.frames > 1) parts.push(`frame ${at} of ${image.frames}`);
  if (frame !== undefined) {
    parts.push(`${frame.columns} x ${frame.rows}`, `${Math.round(scale * 100)} %`);
    if (!frame.stored) parts.push("shown in 8 bits");
  }
  return parts.join(", ");
}

function sayHeat() {
  const button = find("[data-do=heat]");
  const possible = panes.some((pane) => pane.heat.possible);
  const on = panes.some((pane) => pane.heat.shown);
  button.setAttribute("aria-pressed", String(on));
  find("[name=opacity]").parentElement.hidden = !on;
  find(".heat-caveat").hidden = !on;
  const none = active.image !== null && !active.image.heat ? active.image.no_heat : "";
  find(".no-heat").textContent = active.heat.wanted || !possible ? none : "";
}

function presets(frame) {
  const list = find("[name=preset]");
  const offered = [{ explanation: "As sent", ...frame.window }, ...frame.windows.slice(1)];
  const lowest = frame.modality === null ? frame.least * frame.slope + frame.intercept : Math.min(...frame.modality);
  const highest = frame.modality === null ? (frame.least + frame.levels - 1) * frame.slope + frame.intercept : Math.max(...frame.modality);
  offered.push({ explanation: "All values", center: (lowest + highest) / 2, width: Math.max(Math.abs(highest - lowest), 1) });
  if (list.frame !== frame) {
    list.replaceChildren(...offered.map(({ explanation }, index) => new Option(explanation, String(index))), new Option("Own", ""));
    list.frame = frame;
    list.offered = offered;
  }
  const { center, width } = active.window;
  const found = offered.findIndex((one) => Math.abs(one.center - center) < 1e-3 && Math.abs(one.width - width) < 1e-3);
  list.value = found < 0 ? "" : String(found);
}

section.addEventListener("keydown", pressed);
section.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button === null || active === null) return;
  if (button.dataset.use !== undefined) use(button.dataset.use);
  if (button.dataset.do !== undefined) ACTIONS[button.dataset.do]();
  if (button.dataset.image !== undefined) active.show(stated.find(({ id }) => id === button.dataset.image));
});
section.addEventListener("change", ({ target }) => {
  if (target.name === "center") number(target, (center) => { active.window = { ...active.window, center }; });
  if (target.name === "width") number(target, (width) => { active.window = { ...active.window, width: Math.max(width, 1) }; });
  if (target.name === "preset" && target.value !== "") active.window = target.offered[Number(target.value)];
});
section.addEventListener("input", ({ target }) => {
  if (target.name === "opacity") for (const pane of panes) pane.heat.fade(Number(target.value) / 100);
});
section.addEventListener("contextmenu", (event) => {
  if (event.target.closest(".stage")) event.preventDefault();
});

// The list of images is the one of when the page was opened: the image that is looked at stays. News is announced.
const mark = () => find("#study-images data").value;
const opened = mark();
new MutationObserver(() => { find(".news").hidden = mark() === opened; }).observe(find("#study-images"), { childList: true, subtree: true, attributes: true });

// A small picture that cannot be had says so.
function withoutPicture(picture) {
  const said = document.createElement("span");
  said.className = "no-thumbnail";
  said.textContent = "no picture";
  picture.replaceWith(said);
}
section.addEventListener("error", ({ target }) => { if (target instanceof HTMLImageElement) withoutPicture(target); }, { capture: true });
for (const picture of section.querySelectorAll(".strip img")) if (picture.complete && picture.naturalWidth === 0 && picture.currentSrc) withoutPicture(picture);

try {
  start();
  section.classList.add("ready");
  section.viewer = { panes, imageIdOf, get active() { return active; } };
} catch (error) {
  find(".message").textContent = `The viewer could not be started: ${error.message}`;
}
