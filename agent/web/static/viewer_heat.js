// The heat map over an image: off until asked for, and only over an image that was flagged. It is laid over the whole
// image, as in the picture that is sent to the archive.
export class Heat {
  constructor(pane) {
    this.pane = pane;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "heat";
    this.canvas.hidden = true;
    pane.stage.append(this.canvas);
    this.picture = null;
    this.wanted = false;
    this.opacity = 0.4;
  }

  get possible() {
    return Boolean(this.pane.image?.heat) && this.pane.frame !== undefined;
  }

  async follow(image) {
    this.picture = null;
    if (this.wanted && this.possible) await this.load(image);
    this.place();
  }

  async turn(on) {
    this.wanted = on;
    if (on && this.possible && this.picture === null) await this.load(this.pane.image);
    this.place();
  }

  fade(opacity) {
    this.opacity = opacity;
    this.place();
  }

  async load(image) {
    const picture = new Image();
    picture.src = `${image.path}/heat-map`;
    try {
      await picture.decode();
      if (this.pane.image === image) this.picture = picture;
    } catch {
      this.pane.say("The heat map could not be loaded.");
    }
  }

  get shown() {
    return this.wanted && this.possible && this.picture !== null;
  }

  place() {
    const { canvas, pane } = this;
    canvas.hidden = !this.shown;
    if (canvas.hidden) return;
    const below = pane.viewport.canvas;
    canvas.width = below.width;
    canvas.height = below.height;
    const { rows, columns } = pane.frame;
    const ratio = below.width / pane.stage.clientWidth;
    const [left, top] = this.corner(0, 0, ratio);
    const [right, bottom] = this.corner(columns, rows, ratio);
    const context = canvas.getContext("2d");
    context.globalAlpha = this.opacity;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.picture, left, top, right - left, bottom - top);
  }

  corner(column, row, ratio) {
    const [rowSpacing, columnSpacing] = this.pane.frame.spacing;
    const [x, y] = this.pane.viewport.worldToCanvas([column * columnSpacing, row * rowSpacing, 0]);
    return [x * ratio, y * ratio];
  }
}
