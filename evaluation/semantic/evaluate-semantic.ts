import { join, resolve } from 'node:path';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { AppError } from '../../shared/error.ts';
import { type AveragePrecision, createAveragePrecision } from './average-precision.ts';
import type { Instances, PanopticFile, Predictions, Scene } from './coco-files.ts';
import { readLabels, readSegmentIds, readSized } from './map-files.ts';
import { createMeanOverlap, type LabelMap, type MeanOverlap, VOID_LABEL } from './mean-overlap.ts';
import type { Findings, Network } from './network.ts';
import { createPanopticQuality, type Panoptic, type PanopticQuality } from './panoptic-quality.ts';

/** At least one of them. */
export interface GroundTruth {
  instances?: Instances;
  panoptic?: PanopticFile;
  /** A folder of grey PNG files. Without it the categories of the panoptic segments are the truth. */
  labelsDirectory?: string;
  ignoredLabel: number;
}

/** A row of the table: pictures for the network, or another program's predictions. Files come before the network. */
export interface Candidate {
  name: string;
  /** Paths by name. */
  pictures?: ReadonlyMap<string, string>;
  predictions?: Predictions;
  panoptic?: PanopticFile['of'];
  labelsDirectory?: string;
}

export interface SemanticResult {
  name: string;
  boxes?: AveragePrecision;
  masks?: AveragePrecision;
  panoptic?: PanopticQuality;
  semantic?: MeanOverlap;
}

interface Options {
  scenes: readonly Scene[];
  truth: GroundTruth;
  network: Network | undefined;
  signal: AbortSignal;
  onPicture: (candidate: string, picture: string) => void;
}

/** Holds one picture at a time, and of it only the sums of the measures. Throws AppError. */
export async function evaluateSemantic(candidate: Candidate, options: Options): Promise<SemanticResult> {
  const { scenes, truth, network, signal, onPicture } = options;
  const meters = createMeters(candidate, truth, candidate.pictures && network);
  const looks = meters.needsNetwork ? network : undefined;
  for (const scene of scenes) {
    signal.throwIfAborted();
    onPicture(candidate.name, scene.name);
    const path = candidate.pictures?.get(scene.name);
    const pixels = path === undefined ? undefined : await readSized(path, scene);
    const found: Findings = pixels && looks ? await lookAt(looks, pixels, scene) : {};
    await meters.add(scene, found);
  }
  return { name: candidate.name, ...meters.result() };
}

async function lookAt(network: Network, pixels: Pixels, { name }: Scene): Promise<Findings> {
  return await network.look(pixels).catch((error: unknown) => {
    throw new AppError('invalid', `${name}: ${(error as Error).message}`, { cause: error });
  });
}

/** Those measures for which both a truth and predictions are there. Throws AppError `invalid` if there are none. */
function createMeters(candidate: Candidate, truth: GroundTruth, network: Network | undefined) {
  const { instances, panoptic } = truth;
  const { predictions } = candidate;
  const [ofBoxes, ofMasks] = [
    predictions?.hasBoxes ?? network?.gives.boxes,
    predictions?.hasMasks ?? network?.gives.masks,
  ];
  const ids = [...(instances?.categories.keys() ?? [])].sort((a, b) => a - b);
  const boxes = instances && ofBoxes ? createAveragePrecision('box', ids) : undefined;
  const masks = instances?.hasMasks && ofMasks ? createAveragePrecision('mask', ids) : undefined;
  const quality =
    panoptic && (candidate.panoptic || network?.gives.panoptic)
      ? createPanopticQuality(panoptic.categories)
      : undefined;
  const hasLabels = truth.labelsDirectory !== undefined || panoptic !== undefined;
  const overlap =
    hasLabels && (candidate.labelsDirectory !== undefined || network?.gives.labels) ? createMeanOverlap() : undefined;
  if (!boxes && !masks && !quality && !overlap) {
    throw new AppError(
      'invalid',
      `Nothing can be measured of ${candidate.name}: its predictions and the ground truth are not of one kind.`,
    );
  }
  const needsNetwork =
    ((boxes || masks) && !predictions) ||
    (quality && !candidate.panoptic) ||
    (overlap && candidate.labelsDirectory === undefined);
  return {
    needsNetwork: Boolean(needsNetwork),
    async add(scene: Scene, found: Findings): Promise<void> {
      const detections = predictions?.of(scene) ?? found.detections ?? [];
      const strange = detections.find(({ category }) => (boxes || masks) && !instances!.categories.has(category));
      if (strange)
        throw new AppError(
          'invalid',
          `The network found the category ${strange.category}, which the annotations have not.`,
        );
      const truths = boxes || masks ? instances!.truthsOf(scene) : [];
      boxes?.add(truths, detections);
      masks?.add(truths, detections);
      const segments = panoptic && (quality || overlap) ? await readPanopticMap(panoptic.of, scene) : undefined;
      if (quality) {
        const given = candidate.panoptic ? await readPanopticMap(candidate.panoptic, scene) : found.panoptic!;
        quality.add(segments!, given);
      }
      if (overlap)
        overlap.add(await trueLabels(truth, scene, segments), await foundLabels(candidate, truth, scene, found));
    },
    result: (): Omit<SemanticResult, 'name'> => ({
      ...(boxes && { boxes: boxes.result() }),
      ...(masks && { masks: masks.result() }),
      ...(quality && { panoptic: quality.result() }),
      ...(overlap && { semantic: overlap.result() }),
    }),
  };
}

async function readPanopticMap(of: PanopticFile['of'], scene: Scene): Promise<Panoptic> {
  const { path, segments } = of(scene);
  return { ids: await readSegmentIds(path, scene), segments };
}

async function trueLabels(truth: GroundTruth, scene: Scene, segments: Panoptic | undefined): Promise<LabelMap> {
  const { labelsDirectory, ignoredLabel } = truth;
  if (labelsDirectory !== undefined) return await readLabels(labelsPath(labelsDirectory, scene), scene, ignoredLabel);
  const categories = new Map(segments!.segments.map(({ id, category }) => [id, category]));
  return Int32Array.from(segments!.ids, (id) => categories.get(id) ?? VOID_LABEL);
}

async function foundLabels(candidate: Candidate, truth: GroundTruth, scene: Scene, found: Findings): Promise<LabelMap> {
  const { labelsDirectory } = candidate;
  if (labelsDirectory === undefined) return found.labels!;
  return await readLabels(labelsPath(labelsDirectory, scene), scene, truth.ignoredLabel);
}

function labelsPath(directory: string, { name }: Scene): string {
  return resolve(join(directory, `${name}.png`));
}
