import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { faithfulShare } from '../../shared/fidelity.ts';
import { outputSize } from '../../shared/image-format.ts';
import type { Description, FidelityReport, JobHeatmap, Parameters, Progress } from '../../shared/job.ts';
import type { Limits } from '../../shared/limits.ts';
import { isDiffusionModel, type ModelId } from '../../shared/models.ts';
import { checkJobSizes } from '../../shared/preview.ts';
import { cropPhoto } from '../images/crop.ts';
import { decodeImage } from '../images/decode.ts';
import { encodeImage } from '../images/encode.ts';
import { writeHeatmap } from '../images/heatmap.ts';
import type { DigitalSource, Metadata, Pixels } from '../images/image.ts';
import type { Checkpoints } from './checkpoint.ts';
import { type Comparison, compareWithPhoto } from './compare.ts';
import { blankResult, blendFaithful } from './faithful-blend.ts';
import { reportFidelity } from './fidelity-report.ts';
import { createLivePreviews, type LivePreviewFile } from './live-preview.ts';
import type { Method, MethodOptions, MethodResult } from './method.ts';
import { checkResult } from './quality-gate.ts';

export interface RestoreRequest {
  inputPath: string;
  outputPath: string;
  /** Where a map of what was added shall be written, if at all. */
  heatmapPath?: string;
  /** Where live previews shall be written, if at all: a folder. */
  previewDirectory?: string;
  /** Where checkpoints shall be written, if at all: a folder. */
  checkpointDirectory?: string;
  /** The checkpoint of an earlier attempt. */
  checkpointPath?: string;
  parameters: Parameters;
  limits: Limits;
  /** Of diffusion models: repeat the published script step by step, for comparisons. */
  compat?: boolean;
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
  /** What the network was really called for; none where no network was asked. */
  work: { tiles: number; steps: number };
  /** Plain sentences for the user. */
  notes: string[];
  description?: Description;
  /** Unless the published script was repeated. */
  fidelity_report?: FidelityReport;
  /** Of the file at `heatmapPath`. */
  heatmap?: Omit<JobHeatmap, 'key'>;
  /** Time spent, without loading the model. */
  seconds: { decode: number; upscale: number; compare: number; encode: number };
}

interface RestoreOptions {
  /** One of the model's `TILE_SIZES`. */
  tileSize: number;
  onProgress: (progress: Progress) => void;
  /** Where the request has a `previewDirectory`. */
  onPreview?: (file: LivePreviewFile) => void;
  checkpoints?: Checkpoints;
  /** Looked at between tiles and steps. */
  signal: AbortSignal;
}

/** Share of the work, in percent, that is done when a stage begins. */
const BEGINS = { decode: 1, upscale: 3, compare: 92, encode_file: 94, end: 98 } as const;

/**
 * The recipe: decode, make it four times larger by model and filter, compare, resample to the asked size, encode.
 * Writes `outputPath`. Throws AppError: of the user's making (bad image, limits), `output-rejected` or `engine-failed`.
 */
export async function restore(
  { inputPath, outputPath, heatmapPath, previewDirectory, parameters, limits, compat = false }: RestoreRequest,
  method: Method,
  { tileSize, onProgress, onPreview, checkpoints, signal }: RestoreOptions,
): Promise<RestoreResult> {
  const started = performance.now();
  onProgress({ stage: 'decode', percent: BEGINS.decode });
  const whole = await decodeImage(inputPath, limits);
  checkJobSizes(whole.pixels, parameters, limits);
  const photo = parameters.preview ? cropPhoto(whole, parameters.preview) : whole;
  const decoded = performance.now();

  let work = { tiles: 0, steps: 0 };
  const previews = previewDirectory && onPreview ? createLivePreviews(previewDirectory, onPreview) : undefined;
  const upscaled = await enlarge(photo.pixels, method, {
    parameters,
    compat,
    tileSize,
    signal,
    ...(previews && { show: previews.show }),
    ...(checkpoints && { checkpoints }),
    onProgress: (at, share) => {
      if (at.stage === 'upscale' || at.stage === 'denoise') work = { tiles: at.tiles ?? 1, steps: at.steps ?? 1 };
      const percent = Math.floor(BEGINS.upscale + (BEGINS.compare - BEGINS.upscale) * share);
      onProgress({ ...at, percent });
    },
  }).finally(() => previews?.end());
  const done = performance.now();
  let comparison: Comparison | undefined;
  // The published script is repeated whatever comes out of it.
  if (!compat) {
    onProgress({ stage: 'compare', percent: BEGINS.compare });
    comparison = await compareWithPhoto(photo.pixels, upscaled.pixels, signal);
    checkResult(comparison);
  }
  const compared = performance.now();

  onProgress({ stage: 'encode_file', percent: BEGINS.encode_file });
  const size = outputSize(photo.pixels, parameters.scale);
  const metadata = printedAsLarge(photo.metadata, size.width / photo.pixels.width);
  const { format, quality } = parameters;
  const options = { ...size, format, quality, metadata: parameters.metadata, source: sourceOf(parameters.model) };
  const [encoded, heatmap] = await Promise.all([
    encodeImage(outputPath, upscaled.pixels, photo.alpha, metadata, options),
    comparison && heatmapPath ? writeHeatmap(heatmapPath, comparison.map) : undefined,
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
    ...(upscaled.description && { description: upscaled.description }),
    ...(comparison && { fidelity_report: reportFidelity(comparison) }),
    ...(heatmap && { heatmap }),
    seconds: {
      decode: (decoded - started) / 1000,
      upscale: (done - decoded) / 1000,
      compare: (compared - done) / 1000,
      encode: (performance.now() - compared) / 1000,
    },
  };
}

/** By the model, and towards the photo as far as its `fidelity` says. */
async function enlarge(photo: Pixels, method: Method, options: MethodOptions): Promise<MethodResult> {
  const { model, fidelity = 0 } = options.parameters;
  const share = faithfulShare(model, fidelity);
  const result = share < 1 ? await method(photo, options) : { pixels: blankResult(photo) };
  if (share > 0) await blendFaithful(photo, result.pixels, share, options.signal);
  return result;
}

/** With so many more pixels an inch the picture is printed in the size of the photo. */
function printedAsLarge(metadata: Metadata, factor: number): Metadata {
  return metadata.density === undefined ? metadata : { ...metadata, density: metadata.density * factor };
}

/**
 * Diffusion paints what the words say: generative AI. Real-ESRGAN is a function of the pixels alone, which brings out
 * what they suggest.
 */
function sourceOf(model: ModelId): DigitalSource {
  return isDiffusionModel(model) ? 'compositeWithTrainedAlgorithmicMedia' : 'algorithmicallyEnhanced';
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
