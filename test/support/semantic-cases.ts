import { type AveragePrecision, createAveragePrecision } from '../../evaluation/semantic/average-precision.ts';
import { readInstances, readPredictions } from '../../evaluation/semantic/coco-files.ts';
import { createMeanOverlap } from '../../evaluation/semantic/mean-overlap.ts';
import { createPanopticQuality, type Segment } from '../../evaluation/semantic/panoptic-quality.ts';
import { areaOf, boundsOf, type RunLengths } from '../../evaluation/semantic/run-lengths.ts';

interface PanopticMap {
  ids: number[];
  segments: Segment[];
}

/** The output of fixtures/semantic/make_expected.py. */
export interface SemanticCase {
  instances: object;
  detections: object[];
  panoptic: { truth: PanopticMap; prediction: PanopticMap }[];
  labels: [truth: number[], prediction: number[]][];
  /** In the same form as `measureCase` has it. */
  expected: object;
}

const CATEGORIES = new Map([1, 2, 3, 4, 5].map((id) => [id, { isThing: id <= 2 }]));

/** Everything that the oracle has computed, by our own code. `write` puts a value into a file and gives its path. */
export async function measureCase(
  { instances, detections, panoptic, labels }: SemanticCase,
  write: (name: string, value: object) => Promise<string>,
): Promise<object> {
  const truth = await readInstances(await write('instances.json', instances));
  const found = await readPredictions(await write('detections.json', detections), truth);
  const [boxes, masks] = (['box', 'mask'] as const).map((kind) =>
    createAveragePrecision(kind, [...truth.categories.keys()]),
  ) as [ReturnType<typeof createAveragePrecision>, ReturnType<typeof createAveragePrecision>];
  const shapes = { truths: [] as number[][], detections: [] as number[][] };
  for (const scene of truth.scenes) {
    const [truths, given] = [truth.truthsOf(scene), found.of(scene)];
    shapes.truths.push(...truths.map(({ mask }) => shapeOf(mask!)));
    shapes.detections.push(...given.map(({ mask }) => shapeOf(mask!)));
    boxes.add(truths, given);
    masks.add(truths, given);
  }
  const quality = createPanopticQuality(CATEGORIES);
  for (const { truth, prediction } of panoptic) {
    const [right, given] = [truth, prediction].map(({ ids, segments }) => ({ ids: Uint32Array.from(ids), segments }));
    quality.add(right!, given!);
  }
  const overlap = createMeanOverlap();
  for (const [truth, prediction] of labels) overlap.add(Int32Array.from(truth), Int32Array.from(prediction));
  return plain({
    shapes: sorted([...shapes.truths, ...shapes.detections]),
    boxes: boxes.result(),
    masks: masks.result() satisfies AveragePrecision,
    panoptic: quality.result(),
    labels: overlap.result(),
  });
}

/** The oracle's, with the shapes in the same order. */
export function expectedOf({ expected }: SemanticCase): object {
  const { shapes, ...others } = expected as { shapes: number[][] };
  return { shapes: sorted(shapes), ...others };
}

/** Every number by its path; null stays. */
export function flatten(value: unknown, path = ''): Map<string, number | null> {
  if (typeof value !== 'object' || value === null) return new Map([[path, value as number | null]]);
  return new Map(Object.entries(value).flatMap(([key, part]) => [...flatten(part, `${path}.${key}`)]));
}

/** Area, sum of the positions, bounds: two different masks hardly share these. */
function shapeOf(mask: RunLengths): number[] {
  let [position, sum] = [0, 0];
  for (const [run, count] of mask.counts.entries()) {
    if (run % 2 === 1) sum += count * position + (count * (count - 1)) / 2;
    position += count;
  }
  return [areaOf(mask), sum, ...boundsOf(mask)];
}

const sorted = (shapes: number[][]) =>
  shapes
    .map(String)
    .sort()
    .map((shape) => shape.split(',').map(Number));

function plain(value: object): object {
  const text = JSON.stringify(value, (_, part: unknown) => (part instanceof Map ? Object.fromEntries(part) : part));
  return JSON.parse(text) as object;
}
