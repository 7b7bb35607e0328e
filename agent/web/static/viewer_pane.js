// One image on the screen: a viewport of Cornerstone3D, with what the page may ask of it.
import { Enums, annotation, utilities } from "./cornerstone.js";
import { fetchFrame, frameOf, hold, imageIdOf, isAsSent } from "./viewer_frame.js";
import { Heat } from "./viewer_heat.js";

const ZOOM = 1.25;
const TENTH = 0.1;

export class Pane {
  constructor(element, engine, id) {
    this.element = element;
    this.id = id;
    this.stage = element.querySelector(".stage");
    this.message = element.querySelector(".message");
    engine.enableElement({ viewportId: id, type: Enums.ViewportType.STACK, element: this.stage });
    this.viewport = engine.getViewport(id);
    this.heat = new Heat(this);
    this.image = null;
    this.number = 1;
    this.stage.addEventListener(Enums.Events.IMAGE_RENDERED, () => {
      this.heat.place();
      this.element.dispatchEvent(new CustomEvent("shown", { bubbles: true }));
    });
  }

  // Shows a frame of an image (one of the page's list); what cannot be shown says why.
  async show(image, number = 1) {
    this.image = image;
    this.number = number;
    this.element.classList.remove("failed");
    this.element.setAttribute("aria-busy", "true");
    this.say("Loading the image");
    const wanted = imageIdOf(image.path, number);
    try {
      if (image.gone) throw new Error(image.gone);
      await fetchFrame(wanted); // before Cornerstone3D, which throws once more what goes wrong
      if (this.image !== image || this.number !== number) return;
      hold(this.id, wanted);
      await this.viewport.setStack([wanted]);
      if (this.image !== image || this.number !== number) return;
      this.reset();
      this.say("");
    } catch (error) {
      if (this.image !== image || this.number !== number) return;
      this.element.classList.add("failed");
      this.say(error.message);
    } finally {
      if (this.image === image && this.number === number) this.element.removeAttribute("aria-busy");
    }
    await this.heat.follow(image, number);
    this.element.dataset.shown = image.label;
    this.element.dispatchEvent(new CustomEvent("shown", { bubbles: true }));
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = text === "";
  }

  get frame() {
    return this.image !== null && !this.element.classList.contains("failed")
      ? frameOf(imageIdOf(this.image.path, this.number))
      : undefined;
  }

  get camera() {
    return this.viewport._cpuFallbackEnabledElement.viewport;
  }

  get window() {
    const { windowCenter, windowWidth } = this.camera.voi ?? {};
    return { center: windowCenter, width: windowWidth };
  }

  set window({ center, width }) {
    this.viewport.setProperties({ voiRange: utilities.windowLevel.toLowHighRange(Math.max(width, 1e-3), center) });
    this.viewport.render();
  }

  get asSent() {
    return this.frame !== undefined && isAsSent(this.frame, this.window.center, this.window.width);
  }

  // Moves the window by tenths of its width.
  shift(levels, widths) {
    const { center, width } = this.window;
    this.window = { center: center + levels * TENTH * width, width: width * (1 + TENTH) ** widths };
  }

  get inverted() {
    return this.viewport.getProperties().invert === true;
  }

  set inverted(value) {
    this.viewport.setProperties({ invert: value });
    this.viewport.render();
  }

  // Pixels of the screen for one of the image.
  get scale() {
    return this.camera.scale ?? 1;
  }

  set scale(value) {
    this.viewport.setCamera({ ...this.viewport.getCamera(), parallelScale: undefined, scale: value });
    this.viewport.render();
  }

  zoom(steps) {
    this.scale *= ZOOM ** steps;
  }

  pan(right, down) {
    const { translation } = this.camera;
    const step = (this.stage.clientHeight * TENTH) / this.scale;
    translation.x += right * step;
    translation.y += down * step;
    this.viewport.setCamera({ ...this.viewport.getCamera(), parallelScale: undefined, scale: this.scale });
    this.viewport.render();
  }

  fit() {
    this.viewport.resetCamera();
    this.viewport.render();
  }

  reset() {
    const { frame } = this;
    if (frame === undefined) return;
    this.viewport.setProperties({ invert: false, interpolationType: Enums.InterpolationType.LINEAR });
    this.camera.voi.windowCenter = frame.window.center;
    this.camera.voi.windowWidth = frame.window.width;
    this.window = frame.window;
    this.fit();
  }

  measurements() {
    const here = imageIdOf(this.image.path, this.number);
    return annotation.state.getAllAnnotations().filter(({ metadata }) => metadata.referencedImageId === here);
  }

  forget(last) {
    const all = this.measurements();
    for (const one of last ? all.slice(-1) : all) annotation.state.removeAnnotation(one.annotationUID);
    this.viewport.render();
  }
}
