// Frames as the server decodes them, for Cornerstone3D: the loader, what it has to know of them, and how one is drawn.
// Nothing is decoded here. Until somebody windows, the gray of each value is the one that the server sent.
import { calculateTransform, imageLoader, metaData, utilities } from "./cornerstone.js";

const SCHEME = "tibabu";
const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, rgb: Uint8Array };
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const OPAQUE = 0xff000000;
const MOST_KEPT = 4; // frames whose values are kept, and those on the screen: one of nine million pixels takes 18 MB

const frames = new Map(); // by image ID, the latest last
const onScreen = new Map(); // image IDs, by pane

export const imageIdOf = (path, number) => `${SCHEME}:${path}/frames/${number}`;
export const frameOf = (imageId) => frames.get(imageId);
export const hold = (pane, imageId) => onScreen.set(pane, imageId);

export function register() {
  imageLoader.registerImageLoader(SCHEME, (imageId) => ({ promise: load(imageId), cancelFn: undefined }));
  metaData.addProvider(described, 1000);
}

// Fetches a frame, unless it is here. The error that is thrown says in words why it cannot be shown.
export async function fetchFrame(imageId) {
  if (frames.has(imageId)) return;
  const response = await fetch(`${imageId.slice(SCHEME.length + 1)}/values`);
  if (!response.ok) throw new Error(await reason(response));
  const frame = unpack(await response.arrayBuffer());
  const held = new Set(onScreen.values()); // it is drawn anew from its values
  for (const old of [...frames.keys()].filter((one) => !held.has(one)).slice(0, -(MOST_KEPT - 1))) frames.delete(old);
  frames.set(imageId, frame);
}

async function load(imageId) {
  await fetchFrame(imageId);
  return asImage(imageId, frames.get(imageId));
}

async function reason(response) {
  try {
    return (await response.json()).reason;
  } catch {
    return `The server could not hand out this image (${response.status}).`;
  }
}

// See `packed` of agent/web/image_pages.py.
function unpack(buffer) {
  if (!LITTLE_ENDIAN) throw new Error("This computer keeps numbers in an order that the viewer does not know.");
  const length = new DataView(buffer).getUint32(0, true);
  const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  frame.gray = new Uint8Array(buffer, 4 + length, frame.levels);
  const start = 4 + length + Math.ceil(frame.levels / 4) * 4;
  const samples = frame.rows * frame.columns * (frame.type === "rgb" ? 3 : 1);
  frame.values = new ARRAYS[frame.type](buffer, start, samples);
  return frame;
}

function asImage(imageId, frame) {
  const color = frame.type === "rgb";
  const { rows, columns, values } = frame;
  const [rowPixelSpacing, columnPixelSpacing] = frame.spacing;
  return {
    imageId,
    rows,
    columns,
    height: rows,
    width: columns,
    color,
    rgba: false,
    numberOfComponents: color ? 3 : 1,
    minPixelValue: frame.least,
    maxPixelValue: frame.least + frame.levels - 1,
    slope: frame.slope,
    intercept: frame.intercept,
    windowCenter: frame.window.center,
    windowWidth: frame.window.width,
    voiLUTFunction: "LINEAR",
    rowPixelSpacing,
    columnPixelSpacing,
    invert: false,
    photometricInterpretation: color ? "RGB" : "MONOCHROME2",
    dataType: values.constructor.name,
    sizeInBytes: values.byteLength,
    getPixelData: () => values,
    voxelManager: utilities.VoxelManager.createImageVoxelManager({
      height: rows,
      width: columns,
      scalarData: values,
      numberOfComponents: color ? 3 : 1,
    }),
    render: draw,
  };
}

function described(type, imageId) {
  const frame = frames.get(imageId);
  if (frame === undefined) return undefined;
  const color = frame.type === "rgb";
  switch (type) {
    case "imagePlaneModule":
      return {
        frameOfReferenceUID: imageId,
        rows: frame.rows,
        columns: frame.columns,
        imageOrientationPatient: [1, 0, 0, 0, 1, 0],
        rowCosines: [1, 0, 0],
        columnCosines: [0, 1, 0],
        imagePositionPatient: [0, 0, 0],
        pixelSpacing: frame.spacing,
        rowPixelSpacing: frame.spacing[0],
        columnPixelSpacing: frame.spacing[1],
        sliceThickness: 1,
      };
    case "imagePixelModule":
      return {
        samplesPerPixel: color ? 3 : 1,
        photometricInterpretation: color ? "RGB" : "MONOCHROME2",
        rows: frame.rows,
        columns: frame.columns,
        bitsAllocated: frame.type === "uint8" || color ? 8 : 16,
        bitsStored: frame.type === "uint8" || color ? 8 : 16,
        highBit: frame.type === "uint8" || color ? 7 : 15,
        pixelRepresentation: frame.type === "int16" ? 1 : 0,
        planarConfiguration: 0,
      };
    case "generalSeriesModule":
      return { modality: "DX", seriesInstanceUID: imageId, studyInstanceUID: "" };
    case "modalityLutModule":
      return { rescaleSlope: frame.slope, rescaleIntercept: frame.intercept };
    case "voiLutModule":
      return { windowCenter: [frame.window.center], windowWidth: [frame.window.width] };
    default:
      return undefined;
  }
}

const alike = (one, other) => Math.abs(one - other) <= 1e-6 * Math.max(1, Math.abs(one), Math.abs(other));

export const isAsSent = (frame, center, width) => alike(center, frame.window.center) && alike(width, frame.window.width);

// What the window makes of a value, 0 to 1 (PS3.3 C.11.2.1.2.1, C.11.2.1.3).
function share(value, center, width, kind) {
  if (kind === "SIGMOID") return 1 / (1 + Math.exp(Math.min(700, Math.max(-700, (-4 * (value - center)) / width))));
  if (kind === "LINEAR_EXACT") return (value - center) / width + 0.5;
  if (width <= 1) return value > center - 0.5 ? 1 : 0;
  return (value - (center - 0.5)) / (width - 1) + 0.5;
}

// The gray of each value from the least to the greatest.
export function grays(frame, center, width, invert) {
  const asSent = isAsSent(frame, center, width);
  const kind = frame.window.function;
  return Uint8Array.from(frame.gray, (sent, index) => {
    const stored = frame.least + index;
    if (frame.padding !== null && stored >= frame.padding[0] && stored <= frame.padding[1]) return 0;
    let gray = sent;
    if (!asSent) {
      const value = frame.modality === null ? stored * frame.slope + frame.intercept : frame.modality[index];
      const part = Math.min(1, Math.max(0, share(value, center, width, kind)));
      gray = Math.floor((frame.inverse ? 1 - part : part) * 255 + 0.5);
    }
    return invert ? 255 - gray : gray;
  });
}

function paint(frame, gray, pixels) {
  const { values, least } = frame;
  if (frame.type === "rgb") {
    for (let index = 0, at = 0; index < pixels.length; index += 1, at += 3) {
      pixels[index] = OPAQUE | (gray[values[at + 2]] << 16) | (gray[values[at + 1]] << 8) | gray[values[at]];
    }
    return;
  }
  const shades = Uint32Array.from(gray, (level) => OPAQUE | (level << 16) | (level << 8) | level);
  for (let index = 0; index < pixels.length; index += 1) pixels[index] = shades[values[index] - least];
}

// The whole frame as it is shown, made anew only when the window changes.
function picture(frame, viewport, tools) {
  const { windowCenter, windowWidth } = viewport.voi;
  const key = [windowCenter, windowWidth, viewport.invert].join(" ");
  if (tools.frame === frame && tools.key === key) return tools.picture;
  if (tools.frame !== frame) {
    tools.picture = document.createElement("canvas");
    tools.picture.width = frame.columns;
    tools.picture.height = frame.rows;
    tools.context = tools.picture.getContext("2d");
    tools.data = tools.context.createImageData(frame.columns, frame.rows);
  }
  paint(frame, grays(frame, windowCenter, windowWidth, viewport.invert), new Uint32Array(tools.data.data.buffer));
  tools.context.putImageData(tools.data, 0, 0);
  Object.assign(tools, { frame, key });
  return tools.picture;
}

// Cornerstone3D calls this instead of its own drawing: of its windows it knows but one function.
function draw(element) {
  const { canvas, image, viewport, renderingTools } = element;
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "black";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(...calculateTransform(element).getMatrix());
  context.imageSmoothingEnabled = !viewport.pixelReplication;
  context.imageSmoothingQuality = "medium";
  context.drawImage(picture(frameOf(image.imageId), viewport, renderingTools), 0, 0);
}
