// What the study page uses of Cornerstone3D. The page draws on the processor (`setUseCPURendering`): every pixel is then
// the one that the server says, on any computer, without a graphics driver.
export {
  Enums,
  RenderingEngine,
  Settings,
  cache,
  eventTarget,
  imageLoader,
  init as initCore,
  metaData,
  setUseCPURendering,
  utilities,
} from "@cornerstonejs/core";
export {
  AngleTool,
  Enums as ToolEnums,
  LengthTool,
  PanTool,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
  addTool,
  annotation,
  init as initTools,
  utilities as toolUtilities,
} from "@cornerstonejs/tools";
// Where an image's pixels lie on the canvas; not among the package's exports.
export { default as calculateTransform } from "./node_modules/@cornerstonejs/core/dist/esm/RenderingEngine/helpers/cpuFallback/rendering/calculateTransform.js";
