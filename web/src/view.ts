// The picture: the original enlarged by the browser below, the tiles of the network above it, side by side at a line;
// zoom and position.
export class View {
  private readonly context: CanvasRenderingContext2D;
  private below: ImageBitmap | null = null;
  private result: HTMLCanvasElement | null = null;
  private size = { width: 1, height: 1 };
  private scale = 1;
  private x = 0;
  private y = 0;
  private fitted = true;
  private share = 0; // of the width that shows the browser's enlargement
  private waiting = false;
  private scheduled = false;
  onZoom: (scale: number) => void = () => {};

  constructor(private readonly frame: HTMLElement, private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d")!;
    new ResizeObserver(() => this.resize()).observe(frame);
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = frame.getBoundingClientRect();
      this.zoomBy(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => frame.setPointerCapture(event.pointerId));
    frame.addEventListener("pointermove", (event) => {
      if (frame.hasPointerCapture(event.pointerId)) this.moveBy(event.movementX, event.movementY);
    });
    frame.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** A new original; there is no result yet. */
  show(image: ImageBitmap): void {
    this.below = image;
    this.result = null;
    this.size = { width: image.width, height: image.height };
    this.fit();
  }

  /** Another original, which the browser cannot show. */
  clear(): void {
    this.below = null;
    this.result = null;
    this.draw();
  }

  /** The result begins: nothing of it is there. */
  begin(width: number, height: number): void {
    this.result = document.createElement("canvas");
    this.result.width = width;
    this.result.height = height;
    this.size = { width, height };
    this.waiting = true;
    this.fit();
  }

  place(pixels: ImageData, x: number, y: number): void {
    this.result?.getContext("2d")!.putImageData(pixels, x, y);
    this.draw();
  }

  finish(): void {
    this.waiting = false;
    this.draw();
  }

  /** percent: of the width, from the left, that shows the browser's enlargement. */
  compare(percent: number): void {
    this.share = percent / 100;
    this.draw();
  }

  png(): Promise<Blob | null> {
    return new Promise((resolve) => this.result ? this.result.toBlob(resolve, "image/png") : resolve(null));
  }

  private onKey(event: KeyboardEvent): void {
    const box = this.frame.getBoundingClientRect();
    const step = 60;
    const keys: Record<string, () => void> = {
      "+": () => this.zoomBy(1.25, box.width / 2, box.height / 2),
      "=": () => this.zoomBy(1.25, box.width / 2, box.height / 2),
      "-": () => this.zoomBy(0.8, box.width / 2, box.height / 2),
      "0": () => this.fit(),
      ArrowLeft: () => this.moveBy(step, 0),
      ArrowRight: () => this.moveBy(-step, 0),
      ArrowUp: () => this.moveBy(0, step),
      ArrowDown: () => this.moveBy(0, -step),
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  }

  private fit(): void {
    const box = this.frame.getBoundingClientRect();
    this.scale = Math.min(box.width / this.size.width, box.height / this.size.height) || 1;
    this.x = (box.width - this.size.width * this.scale) / 2;
    this.y = (box.height - this.size.height * this.scale) / 2;
    this.fitted = true;
    this.draw();
  }

  private zoomBy(factor: number, x: number, y: number): void {
    const scale = Math.min(32, Math.max(0.02, this.scale * factor));
    this.x = x - (x - this.x) * scale / this.scale;
    this.y = y - (y - this.y) * scale / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  private moveBy(x: number, y: number): void {
    this.x += x;
    this.y += y;
    this.fitted = false;
    this.draw();
  }

  private resize(): void {
    const box = this.frame.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(box.width * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(box.height * devicePixelRatio));
    if (this.fitted) this.fit();
    else this.draw();
  }

  private draw(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.paint();
    });
  }

  private paint(): void {
    const context = this.context;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.onZoom(this.scale);
    const width = this.size.width * this.scale;
    const height = this.size.height * this.scale;
    const target: [number, number, number, number] = [this.x, this.y, width, height];
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high"; // Chromium and Firefox: bicubic
    if (this.below) {
      context.save();
      if (this.waiting) context.filter = "blur(3px)";
      context.drawImage(this.below, ...target);
      context.restore();
    }
    if (!this.result) return;
    const share = this.below ? this.share : 0; // else there is nothing to compare with
    context.save();
    const line = this.x + width * share;
    context.beginPath();
    context.rect(line, this.y, this.x + width - line, height);
    context.clip();
    context.imageSmoothingEnabled = this.scale < 2; // from there on one looks at pixels
    context.drawImage(this.result, ...target);
    context.restore();
    if (share > 0 && share < 1) {
      context.fillStyle = "#f5f5f5";
      context.fillRect(line - 1.5, this.y, 3, height);
      context.fillStyle = "#222";
      context.fillRect(line - 0.5, this.y, 1, height);
    }
  }
}
