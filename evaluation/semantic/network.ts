import { readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { z } from 'zod';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { resizePlane } from '../../gpu-worker/images/torch-resize.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { AppError } from '../../shared/error.ts';
import { createPlane, type Plane } from '../plane.ts';
import type { Detection } from './average-precision.ts';
import { type LabelMap, VOID_LABEL } from './mean-overlap.ts';
import type { Panoptic } from './panoptic-quality.ts';
import { encodeMask } from './run-lengths.ts';

const categorySchema = z.int().nullable();
const channelsSchema = z.tuple([z.number(), z.number(), z.number()]);

/** The file MODEL.json beside MODEL.onnx. */
const descriptionSchema = z.strictObject({
  input: z.strictObject({
    name: z.string(),
    order: z.enum(['rgb', 'bgr']).default('rgb'),
    /** (level − mean) / deviation, levels 0..255. */
    mean: channelsSchema.default([0, 0, 0]),
    deviation: channelsSchema.default([255, 255, 255]),
    /** The shorter side is brought to it, unless the longer one would exceed `longest`. Without it: the picture's own size. */
    shortest: z.int().min(1).optional(),
    longest: z.int().min(1).optional(),
    /** Zeros are added at the right and at the bottom up to a multiple of it. */
    multiple_of: z.int().min(1).default(1),
  }),
  /** The category of each label and channel; null: not measured (background). */
  categories: z.array(categorySchema).min(1),
  detections: z
    .strictObject({ boxes: z.string(), scores: z.string(), labels: z.string(), masks: z.string().optional() })
    .optional(),
  semantic: z.strictObject({ scores: z.string() }).optional(),
  panoptic: z.strictObject({ map: z.string(), labels: z.string() }).optional(),
});
type Description = z.infer<typeof descriptionSchema>;

export interface Findings {
  detections?: Detection[];
  labels?: LabelMap;
  panoptic?: Panoptic;
}

export interface Network {
  gives: { boxes: boolean; masks: boolean; labels: boolean; panoptic: boolean };
  /** Throws AppError `invalid` for outputs that do not keep the contract. */
  look(pixels: Pixels): Promise<Findings>;
  release(): Promise<void>;
}

/** How a picture became the network's input. */
interface Fit {
  width: number;
  height: number;
  /** With the zeros. */
  paddedWidth: number;
  paddedHeight: number;
}

/** `path`: an ONNX file; its description lies beside it. Throws AppError `not-found` and `invalid`. */
export async function loadNetwork(path: string, device: Device): Promise<Network> {
  const description = await readDescription(path);
  const { detections, semantic, panoptic } = description;
  const refuse = (error: unknown): never => {
    if (error instanceof AppError && error.code !== 'model-not-loaded') throw error;
    throw new AppError('invalid', `${path} cannot be run: ${(error as Error).message}`);
  };
  const session = await createSession(path, device).catch(refuse);
  return {
    gives: {
      boxes: detections !== undefined,
      masks: detections?.masks !== undefined,
      labels: semantic !== undefined,
      panoptic: panoptic !== undefined,
    },
    async look(pixels) {
      const fit = fitOf(pixels, description.input);
      const outputs = await session
        .run({ [description.input.name]: toInput(pixels, fit, description.input) })
        .catch(refuse);
      const read = (name: string, axes: number) => readOutput(path, outputs, name, axes);
      return {
        ...(detections && { detections: toDetections(detections, read, description, pixels, fit) }),
        ...(semantic && { labels: toLabels(read(semantic.scores, 3), description, pixels, fit) }),
        ...(panoptic && { panoptic: toPanoptic(panoptic, read, description, pixels, fit) }),
      };
    },
    release: () => session.release(),
  };
}

async function readDescription(path: string): Promise<Description> {
  const { dir, name } = parse(path);
  const beside = join(dir, `${name}.json`);
  const text = await readFile(beside, 'utf8').catch((cause: unknown) => {
    throw new AppError('not-found', `${path} needs its description ${beside}, which cannot be read.`, { cause });
  });
  try {
    const description = descriptionSchema.parse(JSON.parse(text));
    const { detections, semantic, panoptic } = description;
    if (detections ?? semantic ?? panoptic) return description;
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new AppError('invalid', `${beside}: ${reason}`);
  }
  throw new AppError('invalid', `${beside} names no outputs: it needs detections, semantic or panoptic.`);
}

function fitOf({ width, height }: Pixels, { shortest, longest, multiple_of }: Description['input']): Fit {
  let scale = shortest === undefined ? 1 : shortest / Math.min(width, height);
  if (longest !== undefined) scale = Math.min(scale, longest / Math.max(width, height));
  const sized = [Math.round(width * scale), Math.round(height * scale)] as const;
  const [paddedWidth, paddedHeight] = sized.map((side) => Math.ceil(side / multiple_of) * multiple_of) as [
    number,
    number,
  ];
  return { width: sized[0], height: sized[1], paddedWidth, paddedHeight };
}

/** [1, 3, height, width]; bilinear, the zeros come after the normalization. */
function toInput(pixels: Pixels, fit: Fit, { order, mean, deviation }: Description['input']): Tensor {
  const { width, height, channels, data } = pixels;
  const unit = data instanceof Uint16Array ? 257 : 1;
  const size = fit.paddedWidth * fit.paddedHeight;
  const planes = new Float32Array(3 * size);
  for (const [place, channel] of (order === 'rgb' ? [0, 1, 2] : [2, 1, 0]).entries()) {
    const own = createPlane(width, height);
    for (let pixel = 0; pixel < width * height; pixel++)
      own.data[pixel] = data[pixel * channels + (channel % channels)]! / unit;
    const sized = resized(own, fit.width, fit.height);
    for (let y = 0; y < fit.height; y++) {
      for (let x = 0; x < fit.width; x++) {
        const value = (sized.data[y * fit.width + x]! - mean[place]!) / deviation[place]!;
        planes[place * size + y * fit.paddedWidth + x] = value;
      }
    }
  }
  return { data: planes, shape: [1, 3, fit.paddedHeight, fit.paddedWidth] };
}

type Read = (name: string, axes: number) => { data: ArrayLike<number>; shape: number[] };

/** Leading axes of length one may be there or not. */
function readOutput(path: string, outputs: Record<string, Tensor>, name: string, axes: number): ReturnType<Read> {
  const output = outputs[name];
  if (!output)
    throw new AppError('invalid', `${path} has no output "${name}"; it has ${Object.keys(outputs).join(', ')}.`);
  const shape = [...output.shape];
  while (shape.length > axes && shape[0] === 1) shape.shift();
  if (shape.length !== axes) {
    throw new AppError('invalid', `The output "${name}" of ${path} is [${output.shape}]; it must have ${axes} axes.`);
  }
  // Labels may be int64.
  const data = Float64Array.from(output.data as ArrayLike<number | bigint>, Number);
  if (!data.every(Number.isFinite))
    throw new AppError('invalid', `The output "${name}" of ${path} is not made of finite numbers.`);
  return { data, shape };
}

function toDetections(
  names: NonNullable<Description['detections']>,
  read: Read,
  { categories }: Description,
  { width, height }: Pixels,
  fit: Fit,
): Detection[] {
  const [boxes, scores, labels] = [read(names.boxes, 2), read(names.scores, 1), read(names.labels, 1)];
  const masks = names.masks === undefined ? undefined : read(names.masks, 3);
  const [count] = scores.shape as [number];
  const isWhole = boxes.shape[0] === count && boxes.shape[1] === 4 && labels.shape[0] === count;
  if (!isWhole || (masks && masks.shape[0] !== count)) {
    const shapes = [boxes, scores, labels, ...(masks ? [masks] : [])].map(({ shape }) => `[${shape}]`);
    throw new AppError(
      'invalid',
      `Boxes, scores, labels and masks are ${shapes.join(', ')}: they must be [n, 4], [n], [n], [n, h, w].`,
    );
  }
  const scale = [width / fit.width, height / fit.height] as const;
  return Array.from({ length: count }, (_, index) => index).flatMap((index) => {
    const category = categoryOf(labels.data[index]!, categories);
    if (category === null) return [];
    const corner = (part: number) => boxes.data[4 * index + part]! * scale[part % 2]!;
    const box = [corner(0), corner(1), Math.max(0, corner(2) - corner(0)), Math.max(0, corner(3) - corner(1))] as const;
    const detection: Detection = { category, score: scores.data[index]!, box };
    if (masks) {
      const shown = onPicture(masks, index, fit, width, height).data;
      detection.mask = encodeMask(
        width,
        height,
        Uint8Array.from(shown, (value) => Number(value > 0.5)),
      );
    }
    return [detection];
  });
}

/** The category of the highest score, whose channels are brought to the picture's size first. */
function toLabels(
  scores: ReturnType<Read>,
  { categories }: Description,
  { width, height }: Pixels,
  fit: Fit,
): LabelMap {
  if (scores.shape[0] !== categories.length) {
    throw new AppError(
      'invalid',
      `The semantic scores have ${scores.shape[0]} channels, the description ${categories.length} categories.`,
    );
  }
  const labels = new Int32Array(width * height);
  const best = new Float64Array(width * height).fill(Number.NEGATIVE_INFINITY);
  for (const [channel, category] of categories.entries()) {
    const { data } = onPicture(scores, channel, fit, width, height);
    for (let pixel = 0; pixel < data.length; pixel++) {
      if (data[pixel]! <= best[pixel]!) continue;
      best[pixel] = data[pixel]!;
      labels[pixel] = category ?? VOID_LABEL;
    }
  }
  return labels;
}

/** Numbers cannot be mixed: the map is sampled at the middle of every pixel. Segments that cover nothing are left out. */
function toPanoptic(
  names: NonNullable<Description['panoptic']>,
  read: Read,
  { categories }: Description,
  { width, height }: Pixels,
  fit: Fit,
): Panoptic {
  const [map, labels] = [read(names.map, 2), read(names.labels, 1)];
  const [rows, columns] = map.shape as [number, number];
  const found = Array.from(labels.data, (label) => categoryOf(label, categories));
  const across = (fit.width / fit.paddedWidth) * (columns / width);
  const down = (fit.height / fit.paddedHeight) * (rows / height);
  const ids = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y + 0.5) * down) * columns;
    for (let x = 0; x < width; x++) {
      const id = map.data[row + Math.floor((x + 0.5) * across)]!;
      if (!Number.isInteger(id) || id < 0 || id > found.length) {
        throw new AppError(
          'invalid',
          `The panoptic map holds ${id}; there are segments 1 to ${found.length}, and 0 for none.`,
        );
      }
      if (id > 0 && found[id - 1] !== null) ids[y * width + x] = id;
    }
  }
  const shown = new Set(ids);
  const segments = found.flatMap((category, index) => {
    return category !== null && shown.has(index + 1) ? [{ id: index + 1, category, crowd: false }] : [];
  });
  return { ids, segments };
}

function categoryOf(label: number, categories: Description['categories']): number | null {
  const category = categories[label];
  if (category === undefined)
    throw new AppError(
      'invalid',
      `The network gave the label ${label}; its description has ${categories.length} categories.`,
    );
  return category;
}

/** One of the maps [n, h, w] over the padded input, of any size, as the picture is; bilinear. */
function onPicture({ data, shape }: ReturnType<Read>, index: number, fit: Fit, width: number, height: number): Plane {
  const [, rows, columns] = shape as [number, number, number];
  const map = createPlane(columns, rows);
  for (let i = 0; i < rows * columns; i++) map.data[i] = data[index * rows * columns + i]!;
  const { paddedWidth, paddedHeight } = fit;
  if (paddedWidth === fit.width && paddedHeight === fit.height) return resized(map, width, height);
  const padded = resized(map, paddedWidth, paddedHeight);
  const cut = createPlane(fit.width, fit.height);
  for (let y = 0; y < fit.height; y++) {
    cut.data.set(padded.data.subarray(y * paddedWidth, y * paddedWidth + fit.width), y * fit.width);
  }
  return resized(cut, width, height);
}

function resized(plane: Plane, width: number, height: number): Plane {
  if (plane.width === width && plane.height === height) return plane;
  const target = createPlane(width, height);
  resizePlane(plane, target, 'bilinear');
  return target;
}
