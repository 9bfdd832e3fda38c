import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { checkSizes, outputSize } from '../../shared/image-format.ts';
import type { Parameters, Progress } from '../../shared/job.ts';
import type { Limits } from '../../shared/limits.ts';
import { decodeImage } from '../images/decode.ts';
import { encodeImage } from '../images/encode.ts';
import type { SuperResolver } from '../models/real-esrgan.ts';
import { upscaleImage } from './upscale.ts';

export interface RestoreRequest {
  inputPath: string;
  outputPath: string;
  parameters: Parameters;
  limits: Limits;
}

export interface RestoreResult {
  width: number;
  height: number;
  bytes: number;
  /** Of the written file, in hex. */
  sha256: string;
  /** Plain sentences for the user. */
  notes: string[];
  /** Time spent, without loading the model. */
  seconds: { decode: number; upscale: number; encode: number };
}

interface RestoreOptions {
  /** Side of a tile in input pixels. */
  tileSize: number;
  onProgress: (progress: Progress) => void;
  /** Looked at between tiles. */
  signal: AbortSignal;
}

/** Share of the work, in percent, that is done when a stage begins. */
const BEGINS = { decode: 1, upscale: 3, encode_file: 94, end: 98 } as const;

/**
 * The recipe for super-resolution networks: decode, upscale ×4 by tiles, resample to the asked size, encode.
 * Writes `outputPath`. Throws AppError: of the user's making (bad image, limits) or `engine-failed`.
 */
export async function restore(
  { inputPath, outputPath, parameters, limits }: RestoreRequest,
  model: SuperResolver,
  { tileSize, onProgress, signal }: RestoreOptions,
): Promise<RestoreResult> {
  const started = performance.now();
  onProgress({ stage: 'decode', percent: BEGINS.decode });
  const photo = await decodeImage(inputPath, limits);
  checkSizes(photo.pixels, parameters.scale, parameters.format, limits);
  const decoded = performance.now();

  const upscaled = await upscaleImage(photo.pixels, model, {
    tileSize,
    signal,
    onTile: (tile, tiles) => {
      const percent = Math.floor(BEGINS.upscale + (BEGINS.encode_file - BEGINS.upscale) * (tile / tiles));
      onProgress({ stage: 'upscale', percent, tile, tiles });
    },
  });
  const done = performance.now();

  onProgress({ stage: 'encode_file', percent: BEGINS.encode_file });
  const size = outputSize(photo.pixels, parameters.scale);
  const encoded = await encodeImage(outputPath, upscaled, photo.alpha, photo.metadata, {
    ...size,
    format: parameters.format,
    quality: parameters.quality,
    metadata: parameters.metadata,
  });
  const sha256 = await hashFile(outputPath);
  onProgress({ stage: 'encode_file', percent: BEGINS.end });
  return {
    ...size,
    bytes: encoded.bytes,
    sha256,
    notes: [...photo.notes, ...encoded.notes],
    seconds: {
      decode: (decoded - started) / 1000,
      upscale: (done - decoded) / 1000,
      encode: (performance.now() - done) / 1000,
    },
  };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
