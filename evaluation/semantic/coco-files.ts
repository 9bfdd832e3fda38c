import { readFile } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import type { Detection, Truth } from './average-precision.ts';
import type { Segment } from './panoptic-quality.ts';
import {
  type Box,
  boundsOf,
  checkRuns,
  decodeCounts,
  polygonMask,
  type RunLengths,
  uniteMasks,
} from './run-lengths.ts';

const boxSchema = z.tuple([z.number(), z.number(), z.number().min(0), z.number().min(0)]);
const runsSchema = z.object({ size: z.tuple([z.int(), z.int()]), counts: z.union([z.string(), z.array(z.int())]) });
const polygonSchema = z
  .array(z.number())
  .refine(({ length }) => length >= 6 && length % 2 === 0, 'a polygon has at least three corners, x and y each');
const segmentationSchema = z.union([z.array(polygonSchema).min(1), runsSchema]);
const imagesSchema = z.array(
  z.object({ id: z.int(), file_name: z.string(), width: z.int().min(1), height: z.int().min(1) }),
);
const flagSchema = z.union([z.boolean(), z.int()]).default(0);

const annotationsSchema = z.object({
  images: imagesSchema,
  categories: z.array(z.object({ id: z.int(), name: z.string() })).min(1),
  annotations: z.array(
    z.object({
      image_id: z.int(),
      category_id: z.int(),
      area: z.number(),
      bbox: boxSchema,
      segmentation: segmentationSchema.optional(),
      iscrowd: flagSchema,
    }),
  ),
});

const predictionsSchema = z.array(
  z.object({
    image_id: z.int(),
    category_id: z.int(),
    score: z.number(),
    bbox: boxSchema.optional(),
    segmentation: segmentationSchema.optional(),
  }),
);

const segmentsSchema = z.array(
  z.object({
    image_id: z.int(),
    file_name: z.string(),
    segments_info: z.array(z.object({ id: z.int(), category_id: z.int(), iscrowd: flagSchema })),
  }),
);
const panopticSchema = z.object({
  images: imagesSchema,
  categories: z.array(z.object({ id: z.int(), name: z.string(), isthing: flagSchema })).min(1),
  annotations: segmentsSchema,
});

/** One picture of the ground truth. */
export interface Scene {
  id: number;
  /** Of its file, without ending. */
  name: string;
  width: number;
  height: number;
}

export interface Instances {
  scenes: Scene[];
  categories: Map<number, string>;
  hasMasks: boolean;
  truthsOf(scene: Scene): Truth[];
}

/** COCO's instances.json. Throws AppError `not-found` and `invalid`. */
export async function readInstances(path: string): Promise<Instances> {
  const { images, categories, annotations } = await readJson(path, annotationsSchema);
  const names = new Map(categories.map(({ id, name }) => [id, name]));
  const byScene = Map.groupBy(annotations, ({ image_id }) => image_id);
  const ids = new Set(images.map(({ id }) => id));
  for (const { category_id, image_id } of annotations) {
    if (!names.has(category_id))
      throw new AppError('invalid', `${path} has an object of the unknown category ${category_id}.`);
    if (!ids.has(image_id)) throw new AppError('invalid', `${path} has an object in the unknown image ${image_id}.`);
  }
  const hasMasks = annotations.every(({ segmentation }) => segmentation !== undefined);
  return {
    scenes: toScenes(images),
    categories: names,
    hasMasks,
    truthsOf: (scene) =>
      (byScene.get(scene.id) ?? []).map(({ category_id, area, bbox, segmentation, iscrowd }) => ({
        category: category_id,
        crowd: Boolean(iscrowd),
        area,
        box: bbox,
        ...(hasMasks && { mask: toMask(segmentation!, scene) }),
      })),
  };
}

export interface Predictions {
  /** Whether every detection has one. */
  hasBoxes: boolean;
  hasMasks: boolean;
  of(scene: Scene): Detection[];
}

/** COCO's results: a list of detections. Throws AppError as above, also for images and categories that the truth has not. */
export async function readPredictions(path: string, { scenes, categories }: Instances): Promise<Predictions> {
  const list = await readJson(path, predictionsSchema);
  const ids = new Set(scenes.map(({ id }) => id));
  for (const { category_id, image_id } of list) {
    if (!categories.has(category_id))
      throw new AppError('invalid', `${path}: there is no category ${category_id} in the annotations.`);
    if (!ids.has(image_id)) throw new AppError('invalid', `${path}: there is no image ${image_id} in the annotations.`);
  }
  const byScene = Map.groupBy(list, ({ image_id }) => image_id);
  const hasMasks = list.every(({ segmentation }) => segmentation !== undefined);
  const hasBoxes = list.every(({ bbox }) => bbox !== undefined);
  if (!hasMasks && !hasBoxes)
    throw new AppError('invalid', `${path}: not every detection has a bbox, or every one a segmentation.`);
  return {
    hasBoxes,
    hasMasks,
    of: (scene) =>
      (byScene.get(scene.id) ?? []).map(({ category_id, score, bbox, segmentation }) => {
        const mask = hasMasks ? toMask(segmentation!, scene) : undefined;
        const box: Box = bbox ?? boundsOf(mask!);
        return { category: category_id, score, box, ...(mask && { mask }) };
      }),
  };
}

export interface PanopticFile {
  scenes: Scene[];
  categories: Map<number, { name: string; isThing: boolean }>;
  /** The PNG file of a picture, and its segments. Throws AppError `invalid` where there is none. */
  of(scene: Scene): { path: string; segments: Segment[] };
}

/** COCO's panoptic.json; the PNG files are in a folder of its name, unless another is given. Throws AppError as above. */
export async function readPanoptic(path: string, folder?: string): Promise<PanopticFile> {
  const { images, categories, annotations } = await readJson(path, panopticSchema);
  return {
    scenes: toScenes(images),
    categories: new Map(categories.map(({ id, name, isthing }) => [id, { name, isThing: Boolean(isthing) }])),
    of: segmentsOf(path, folder, annotations),
  };
}

/** The same of predictions: only their annotations are looked at. */
export async function readPanopticPredictions(path: string): Promise<PanopticFile['of']> {
  const { annotations } = await readJson(path, z.object({ annotations: segmentsSchema }));
  return segmentsOf(path, undefined, annotations);
}

function segmentsOf(
  path: string,
  given: string | undefined,
  annotations: z.infer<typeof segmentsSchema>,
): PanopticFile['of'] {
  const folder = given ?? join(dirname(path), parse(path).name);
  const byScene = new Map(annotations.map((annotation) => [annotation.image_id, annotation]));
  return ({ id, name }) => {
    const found = byScene.get(id);
    if (!found) throw new AppError('invalid', `${path} has nothing of the image ${id} (${name}).`);
    const segments = found.segments_info.map(({ id, category_id, iscrowd }) => ({
      id,
      category: category_id,
      crowd: Boolean(iscrowd),
    }));
    return { path: join(folder, found.file_name), segments };
  };
}

function toMask(segmentation: z.infer<typeof segmentationSchema>, { name, width, height }: Scene): RunLengths {
  if (Array.isArray(segmentation))
    return uniteMasks(segmentation.map((corners) => polygonMask(corners, width, height)));
  const [rows, columns] = segmentation.size;
  if (rows !== height || columns !== width) {
    throw new AppError('invalid', `A mask of ${name} has ${columns}×${rows} pixels, the picture ${width}×${height}.`);
  }
  const { counts } = segmentation;
  return checkRuns(width, height, typeof counts === 'string' ? decodeCounts(counts) : counts);
}

function toScenes(images: z.infer<typeof imagesSchema>): Scene[] {
  const scenes = images.map(({ id, file_name, width, height }) => ({
    id,
    name: parse(basename(file_name)).name,
    width,
    height,
  }));
  // Equal scores of two pictures are taken in this order.
  return scenes.sort((a, b) => a.id - b.id);
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('not-found', `There is no file ${path} that can be read.`, { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AppError('invalid', `${path} is no JSON: ${(cause as Error).message}.`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError('invalid', `${path}: ${issue!.path.join('.') || 'the file'}: ${issue!.message}.`);
}
