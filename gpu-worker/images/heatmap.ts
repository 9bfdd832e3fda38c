import sharp from 'sharp';

/** One color, to be laid over the photo; how opaque it is says how much was added there. */
const COLOR = [255, 48, 0] as const;
/** Levels of 0..255 that make it fully opaque; the same in all maps, so that they can be compared. */
const FULL_LEVELS = 64;

/** Writes a PNG with a pixel for each value. */
export async function writeHeatmap(
  path: string,
  { width, height, values }: { width: number; height: number; values: Float32Array },
): Promise<{ width: number; height: number; bytes: number }> {
  const data = new Uint8Array(values.length * 4);
  for (const [index, value] of values.entries()) {
    data.set(COLOR, index * 4);
    data[index * 4 + 3] = Math.round(Math.min(1, value / FULL_LEVELS) * 255);
  }
  const { size } = await sharp(data, { raw: { width, height, channels: 4 } })
    .png()
    .toFile(path);
  return { width, height, bytes: size };
}
