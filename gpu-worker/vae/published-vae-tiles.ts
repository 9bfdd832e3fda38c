/** Positions from `start` up to and without `end`. */
interface Interval {
  start: number;
  end: number;
}

/** One tile along one axis, as the published tiled VAE has it. */
export interface VaeSpan {
  /** What the network sees, with its margins. */
  input: Interval;
  /** What is kept of its result, at the scale of the result. */
  output: Interval;
  /** Where `output` begins in the result of the network on the tile. */
  skip: number;
}

export interface VaeTilesOptions {
  /** Longest side of a tile without margins: 1024 pixels, 224 latents. */
  tileSize: number;
  /** 32 pixels, 11 latents. */
  margin: number;
  /** Sides of the result over those of the input: 8 for the decoder, 1/8 for the encoder. */
  scale: number;
}

/** Whether the published script leaves a picture or latent in one piece. */
export function fitsVaeTile(
  height: number,
  width: number,
  { tileSize, margin }: Omit<VaeTilesOptions, 'scale'>,
): boolean {
  return Math.max(height, width) <= tileSize + 2 * margin;
}

/**
 * Tiles along one axis of `length`, in its order: cores of equal size, the last one shorter, margins around each but at
 * the border; the first and the last core reach the border. No core is longer than `tileSize`, hence none is empty, and
 * their outputs follow each other without a gap (`VAEHook.split_tiles` of multidiffusion-upscaler, as SeeSR has it).
 */
export function vaeSpans(length: number, { tileSize, margin, scale }: VaeTilesOptions): VaeSpan[] {
  const count = Math.max(1, Math.ceil((length - 2 * margin) / tileSize));
  const size = roundSize(Math.ceil((length - 2 * margin) / count), tileSize);
  return Array.from({ length: count }, (_, index) => {
    const core = { start: margin + index * size, end: Math.min(margin + (index + 1) * size, length) };
    const input = { start: Math.max(0, core.start - margin), end: Math.min(length, core.end + margin) };
    const start = core.start <= margin ? 0 : core.start;
    const end = core.end >= length - margin ? length : core.end;
    const output = { start: Math.floor(start * scale), end: Math.floor(end * scale) };
    return { input, output, skip: output.start - Math.floor(input.start * scale) };
  });
}

/** To a multiple of 32, 16, 8, 4 or 2, the first that is not above the largest size. */
function roundSize(size: number, largest: number): number {
  for (const unit of [32, 16, 8, 4, 2]) {
    const rounded = Math.ceil(size / unit) * unit;
    if (rounded <= largest) return rounded;
  }
  return size;
}
