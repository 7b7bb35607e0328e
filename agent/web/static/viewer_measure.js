// What measurements say, and how one is made without a pointer.
import { AngleTool, LengthTool } from "./cornerstone.js";
import { frameOf } from "./viewer_frame.js";

const UNITS = { calibrated: "mm", detector: "mm at the detector", film: "mm on the film", unstated: "mm, calibration not stated" };
const QUARTER = 0.25;

// Of whatever the tool counted in, the length in the frame's own measure; Cornerstone3D says "mm" of all of them.
export function lengthText(data, target) {
  const { length } = data.cachedStats[target] ?? {};
  if (!Number.isFinite(length)) return undefined;
  const unit = UNITS[frameOf(target.replace(/^imageId:/, ""))?.measure];
  return [unit === undefined ? `${length.toFixed(0)} pixels, not calibrated` : `${length.toFixed(1)} ${unit}`];
}

export function angleText(data, target) {
  const { angle } = data.cachedStats[target] ?? {};
  return Number.isFinite(angle) ? [`${angle.toFixed(1)} °`] : undefined;
}

// A measurement in the middle of the view, whose ends a pointer can move.
export function place(pane, tool) {
  const { clientWidth: width, clientHeight: height } = pane.stage;
  const at = (x, y) => [...pane.viewport.canvasToWorld([width * x, height * y])];
  if (tool === "length") LengthTool.hydrate(pane.id, [at(QUARTER, 0.5), at(1 - QUARTER, 0.5)]);
  if (tool === "angle") AngleTool.hydrate(pane.id, [at(QUARTER, QUARTER), at(0.5, 1 - QUARTER), at(1 - QUARTER, QUARTER)]);
  pane.viewport.render();
}
