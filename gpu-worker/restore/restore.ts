import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type {
  Description,
  FidelityReport,
  JobHeatmap,
  Parameters,
  Progress,
  ScreenCopies,
  ScreenCopy,
} from '../../shared/job.ts';
import type { Limits } from '../../shared/limits.ts';
import type { Size } from '../../shared/methods/method.ts';
import { methodOf } from '../../shared/methods/registry.ts';
import { checkSizes, outputSize } from '../../shared/output-size.ts';
import type { Band, Bands } from '../images/bands.ts';
import { inBits } from '../images/bit-depth.ts';
import { cropPhoto } from '../images/crop.ts';
import { decodeImage } from '../images/decode.ts';
import { drawRows } from '../images/draw-rows.ts';
import { encodeImage } from '../images/encode.ts';
import { toRgb } from '../images/gray.ts';
import { writeHeatmap } from '../images/heatmap.ts';
import type { DecodedImage, DigitalSource, Metadata, Pixels } from '../images/image.ts';
import { gatherResult } from '../images/result-rows.ts';
import { writeScreenCopy } from '../images/screen-copy.ts';
import { seenPhoto } from '../images/seen-photo.ts';
import { compareCoarsely } from './coarse-blocks.ts';
import { fixColors } from './color-fix.ts';
import { type Comparison, compareWithPhoto } from './compare.ts';
import { blendFaithful, enlargeFaithfully } from './faithful-blend.ts';
import { createLivePreviews, type LivePreviewFile } from './live-preview.ts';
import { checkResult, reportFidelity } from './quality-gate.ts';
import type { Restorer, RestorerOptions, RestorerResult, Savepoints } from './restorer.ts';

export interface RestoreRequest {
  inputPath: string;
  outputPath: string;
  /** Where a map of the added detail shall be written, if at all. */
  heatmapPath?: string;
  /** Where pictures for screens shall be written, of formats that browsers do not show. */
  copyPaths?: Partial<Record<keyof ScreenCopies, string>>;
  /** Where live previews shall be written, if at all: a folder. */
  previewDirectory?: string;
  /** Where savepoints shall be written, if at all: a folder. */
  savepointDirectory?: string;
  /** The savepoint of an earlier attempt. */
  savepointPath?: string;
  parameters: Parameters;
  limits: Limits;
  /**
   * Repeat the method's published script step by step, for comparisons: on the samples as they are stored, and its
   * result is neither compared nor refused.
   */
  published?: boolean;
  /** Of a job of test mode: no network runs. */
  test?: boolean;
}

export interface RestoreResult {
  width: number;
  height: number;
  bytes: number;
  /** Of the written file, in hex. */
  sha256: string;
  /** Of the photo's file, in hex. */
  inputSha256: string;
  tileSize: number;
  /** The calls of the network that were really made; none where no network was asked. */
  work: { tiles: number; steps: number };
  /** Plain sentences for the user. */
  notes: string[];
  description?: Description;
  /** Unless the published script was repeated. */
  fidelity_report?: FidelityReport;
  /** Of the file at `heatmapPath`. */
  heatmap?: Omit<JobHeatmap, 'key'>;
  /** Of the files at `copyPaths`. */
  photo_webp?: Omit<ScreenCopy, 'key'>;
  output_webp?: Omit<ScreenCopy, 'key'>;
  /** Time spent, without loading the model. */
  seconds: { decode: number; upscale: number; compare: number; encode: number };
}

interface RestoreOptions {
  /** One of the method's `tileSizes`. */
  tileSize: number;
  onProgress: (progress: Progress) => void;
  /** Where the request has a `previewDirectory`. */
  onPreview?: (file: LivePreviewFile) => void;
  savepoints?: Savepoints;
  /** Looked at between tiles and steps. */
  signal: AbortSignal;
}

/** Share of the work, in percent, that is done when a stage begins. */
const BEGINS = { decode: 1, upscale: 3, compare: 92, encode_file: 94, end: 98 } as const;

/**
 * The recipe: decode, take the visible part, make it larger by model and filter in the colors of the photo,
 * compare, resample to the asked size, encode. The published script is repeated on the samples as they are stored.
 * Writes `outputPath`. Throws AppError: of the user's making (bad image, limits), `output-rejected` or `engine-failed`.
 */
export async function restore(
  request: RestoreRequest,
  restorer: Restorer,
  { tileSize, onProgress, onPreview, savepoints, signal }: RestoreOptions,
): Promise<RestoreResult> {
  const { inputPath, outputPath, heatmapPath, copyPaths, previewDirectory } = request;
  const { parameters, limits, published = false } = request;
  const started = performance.now();
  onProgress({ stage: 'decode', percent: BEGINS.decode });
  const stored = await decodeImage(inputPath, limits);
  checkSizes(stored.pixels, parameters, limits);
  const storedChannels = stored.pixels.channels;
  const size = outputSize(stored.pixels, parameters, parameters.preview);
  // Before a part is cut out: a preview shall show the look of the whole.
  const whole = published ? stored : seenPhoto(stored);
  const photo = parameters.preview ? cropPhoto(whole, parameters.preview) : whole;
  // Comparison and weights by opacity need no finer one.
  const alpha = photo.alpha && { ...photo.alpha, data: inBits(photo.alpha.data, 8) };
  const decoded = performance.now();

  let work = { tiles: 0, steps: 0 };
  const previews = previewDirectory && onPreview ? createLivePreviews(previewDirectory, onPreview, alpha) : undefined;
  const made = await makeResult({ ...photo, ...(alpha && { alpha }) }, size, restorer, {
    parameters,
    published,
    tileSize,
    signal,
    ...(previews && { show: previews.show }),
    ...(savepoints && { savepoints }),
    onProgress: (at, share) => {
      if (at.stage === 'upscale' || at.stage === 'denoise') work = { tiles: at.tiles ?? 1, steps: at.steps ?? 1 };
      const percent = Math.floor(BEGINS.upscale + (BEGINS.compare - BEGINS.upscale) * share);
      onProgress({ ...at, percent });
    },
  }).finally(() => previews?.end());
  const { comparison } = made;
  onProgress({ stage: 'compare', percent: BEGINS.compare });
  if (comparison) checkResult(comparison.coarse);
  const done = performance.now();

  onProgress({ stage: 'encode_file', percent: BEGINS.encode_file });
  const metadata = printedAsLarge(photo.metadata, size.width / photo.pixels.width);
  const { format, quality } = parameters;
  const options = { format, quality, metadata: parameters.metadata, source: sourceOf(parameters) };
  const pixels = made.pixels.channels < storedChannels ? toRgb(made.pixels) : made.pixels;
  const shown = { pixels, metadata, ...(alpha && { alpha }) };
  const [encoded, heatmap, photo_webp, output_webp] = await Promise.all([
    encodeImage(outputPath, pixels, photo.alpha, metadata, options),
    comparison && heatmapPath ? writeHeatmap(heatmapPath, comparison.map) : undefined,
    copyPaths?.photo_webp ? writeScreenCopy(copyPaths.photo_webp, photo) : undefined,
    copyPaths?.output_webp ? writeScreenCopy(copyPaths.output_webp, shown) : undefined,
  ]);
  const [sha256, inputSha256] = await Promise.all([hashFile(outputPath), hashFile(inputPath)]);
  onProgress({ stage: 'encode_file', percent: BEGINS.end });
  return {
    ...size,
    bytes: encoded.bytes,
    sha256,
    inputSha256,
    tileSize,
    work,
    notes: [...photo.notes, ...encoded.notes],
    ...(made.description && { description: made.description }),
    ...(comparison && { fidelity_report: reportFidelity(comparison) }),
    ...(heatmap && { heatmap }),
    ...(photo_webp && { photo_webp }),
    ...(output_webp && { output_webp }),
    seconds: {
      decode: (decoded - started) / 1000,
      upscale: (done - decoded) / 1000 - made.compareSeconds,
      compare: made.compareSeconds,
      encode: (performance.now() - done) / 1000,
    },
  };
}

interface Made extends Pick<RestorerResult, 'description'> {
  pixels: Pixels;
  /** Absent where the published script was repeated: its result is not compared. */
  comparison?: Comparison;
  compareSeconds: number;
}

/** Band by band: as large as the method makes it, compared, brought to the asked size. Throws `output-rejected`. */
async function makeResult(
  photo: DecodedImage,
  size: Size,
  restorer: Restorer,
  options: RestorerOptions,
): Promise<Made> {
  const { parameters, published, signal, show } = options;
  const { pixels, alpha } = photo;
  const result = gatherResult({
    photo: pixels,
    alpha,
    scale: methodOf(parameters).scale,
    ...size,
    bitDepth: parameters.bit_depth ?? 8,
  });
  const comparing = published ? undefined : compareWithPhoto(pixels, alpha);
  const { bands, description } = await enlarge(photo, restorer, options);
  let compareSeconds = 0;
  for await (const band of bands) {
    await eventLoopTurn();
    signal.throwIfAborted();
    const started = performance.now();
    comparing?.add(band);
    compareSeconds += (performance.now() - started) / 1000;
    result.add(band);
    show?.(() => drawRows(pixels, result.pixels, result.rows()));
  }
  const comparison = comparing?.end();
  return {
    pixels: result.pixels,
    compareSeconds,
    ...(comparison && { comparison }),
    ...(description && { description }),
  };
}

/** By the model, in the colors of the photo, and towards the photo as far as its `fidelity` says. */
async function enlarge(photo: DecodedImage, restorer: Restorer, options: RestorerOptions): Promise<RestorerResult> {
  const { parameters, published, signal } = options;
  const { fidelity, scale } = methodOf(parameters);
  const share = fidelity.share(parameters.fidelity ?? 0);
  if (share === 1) {
    return { bands: enlargeFaithfully(photo.pixels, { scale, bitDepth: parameters.bit_depth ?? 8, signal }) };
  }
  const { bands, ...others } = await restorer(photo.pixels, options);
  const colored = published ? bands : giveColors(photo, bands, parameters);
  return { ...others, bands: share > 0 ? blendFaithful(photo.pixels, colored, share) : colored };
}

/** With the colors of the photo another picture would look like it: the output of the network is judged before. */
function giveColors({ pixels, alpha }: DecodedImage, bands: Bands, parameters: Parameters): Bands {
  const { color_fix = 'none' } = parameters;
  // Diffusion is only asked for a picture (`checkDecoded`): its colors may be far off.
  const mayBeFar = methodOf(parameters).isGenerative;
  return fixColors(pixels, mayBeFar ? bands : judge(pixels, alpha, bands), color_fix, { alpha, mayBeFar });
}

/** As they are; after the last one it throws `output-rejected` for a picture that is not of the photo. */
async function* judge(photo: Pixels, alpha: Pixels | undefined, bands: Bands): AsyncGenerator<Band> {
  const comparing = compareCoarsely(photo, alpha);
  for await (const band of bands) {
    comparing.add(band);
    yield band;
  }
  checkResult(comparing.end());
}

/** With so many more pixels an inch the picture is printed in the size of the photo. */
function printedAsLarge(metadata: Metadata, factor: number): Metadata {
  return metadata.density === undefined ? metadata : { ...metadata, density: metadata.density * factor };
}

/**
 * Diffusion paints the subjects of the words: generative AI. Real-ESRGAN is a function of the pixels alone, which
 * brings out detail that they suggest.
 */
function sourceOf(parameters: Parameters): DigitalSource {
  return methodOf(parameters).isGenerative ? 'compositeWithTrainedAlgorithmicMedia' : 'algorithmicallyEnhanced';
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
