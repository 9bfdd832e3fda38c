import { type Band, type Bands, bandsOf } from '../../gpu-worker/images/bands.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { compareCoarsely } from '../../gpu-worker/restore/coarse-blocks.ts';
import { compareWithPhoto } from '../../gpu-worker/restore/compare.ts';
import { type SuperResolver, type UpscaleOptions, upscale } from '../../gpu-worker/tiling/picture-tiles.ts';

/** The whole picture; its bands must come in order and leave nothing out. */
export async function gather(
  bands: Bands,
  { width, height, channels }: Omit<Pixels, 'data'>,
  scale = 4,
): Promise<Pixels> {
  const size = { width: scale * width, height: scale * height, channels };
  const length = size.width * size.height * channels;
  let data: Pixels['data'] | undefined;
  let next = 0;
  for await (const band of bands) {
    data ??= band.data instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
    if (band.start !== next || band.data.length !== band.count * scale ** 2 * width * channels) {
      throw new RangeError(`A band of ${band.count} rows at ${band.start} follows ${next} rows.`);
    }
    data.set(band.data, band.start * scale ** 2 * width * channels);
    next += band.count;
  }
  if (!data || next !== height) throw new RangeError(`${next} of ${height} rows came.`);
  return { ...size, data };
}

/** The whole output of the network. */
export function upscaleImage(
  photo: Pixels,
  model: SuperResolver,
  options: Omit<UpscaleOptions, 'bitDepth'> & Partial<Pick<UpscaleOptions, 'bitDepth'>>,
): Promise<Pixels> {
  return gather(upscale(photo, model, { bitDepth: 8, ...options }), photo, model.scale);
}

/** A whole picture beside its photo. */
export function compareWhole(photo: Pixels, picture: Pixels) {
  return addAll(compareWithPhoto(photo, undefined), photo, picture);
}

export function compareWholeCoarsely(photo: Pixels, picture: Pixels) {
  return addAll(compareCoarsely(photo, undefined), photo, picture);
}

interface Comparing<Found> {
  add(band: Band): void;
  end(): Found;
}

async function addAll<Found>(comparing: Comparing<Found>, photo: Pixels, picture: Pixels): Promise<Found> {
  for await (const band of bandsOf(picture, photo, new AbortController().signal)) comparing.add(band);
  return comparing.end();
}
