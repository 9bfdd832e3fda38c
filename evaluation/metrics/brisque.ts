import { resizePlane } from '../../gpu-worker/images/torch-resize.ts';
import { createPlane, greyLevels, type Plane } from '../plane.ts';
import { pictureMetric } from './metric.ts';
import { fitDistribution, NEIGHBORS, neighborProducts, normalizeContrast } from './natural-statistics.ts';
import { readShipped } from './weights.ts';

export const brisqueMetric = {
  id: 'brisque',
  label: 'BRISQUE',
  digits: 2,
  better: 'lower',
  looksAt: 'picture',
  async open() {
    const model = await readBrisqueModel();
    return pictureMetric((result) => brisque(greyLevels(result), model) ?? null);
  },
} as const;

/** A support vector regression with a radial kernel, and the ranges that its 36 features were scaled by. */
export interface BrisqueModel {
  gamma: number;
  rho: number;
  vectors: { coefficient: number; features: Float64Array }[];
  ranges: { min: number[]; max: number[] };
}

/** The LIVE laboratory's, see `weights/manifest.json`. Throws AppError `engine-failed` for a changed file. */
export async function readBrisqueModel(): Promise<BrisqueModel> {
  const ranges = JSON.parse(await readShipped('brisque-ranges.json')) as BrisqueModel['ranges'];
  return { ...parseSvm(await readShipped('brisque-svm.txt')), ranges };
}

const FEATURES = 36;

/**
 * 0 for a clean photo to about 100 for a bad one, not clamped (Mittal et al. 2012). Features as in the C++ release that the
 * parameters were trained with, which OpenCV's quality module repeats: grey levels, and their half by a cubic filter that
 * does not smooth. Undefined for a picture without contrast.
 */
export function brisque(grey: Plane, model: BrisqueModel): number | undefined {
  const features = brisqueFeatures(grey);
  return features.some(Number.isNaN) ? undefined : scoreFeatures(features, model);
}

/** The regression's score of 36 features. */
export function scoreFeatures(features: number[], { gamma, rho, vectors, ranges }: BrisqueModel): number {
  const scaled = features.map((value, index) => {
    const [min, max] = [ranges.min[index]!, ranges.max[index]!];
    return -1 + (2 * (value - min)) / (max - min);
  });
  return vectors.reduce((sum, vector) => {
    const distance = scaled.reduce((total, value, index) => total + (value - vector.features[index]!) ** 2, 0);
    return sum + vector.coefficient * Math.exp(-gamma * distance);
  }, -rho);
}

/** 18 at full size, 18 at half of it. */
export function brisqueFeatures(grey: Plane): number[] {
  const half = createPlane(Math.floor(grey.width / 2), Math.floor(grey.height / 2));
  resizePlane(grey, half, 'bicubic');
  return [grey, half].flatMap((plane) => scaleFeatures(normalizeContrast(plane)));
}

function scaleFeatures(normalized: Plane): number[] {
  const { shape, left, right } = fitDistribution(normalized);
  const products = NEIGHBORS.flatMap((neighbor) => {
    const fitted = fitDistribution(neighborProducts(normalized, neighbor, 'zero'));
    const mean = (fitted.right - fitted.left) * fitted.unitMean * fitted.unitScale;
    return [fitted.shape, mean, fitted.left ** 2, fitted.right ** 2];
  });
  return [shape, (left ** 2 + right ** 2) / 2, ...products];
}

/** Reads a model as LIBSVM writes it. Throws RangeError for one of another kind. */
function parseSvm(text: string): Omit<BrisqueModel, 'ranges'> {
  const [head = '', body = ''] = text.split(/^SV\s*\n/m);
  const facts = new Map(head.split('\n').map((line) => line.trim().split(' ') as [string, string]));
  const kind = `${facts.get('svm_type')} ${facts.get('kernel_type')}`;
  if (kind !== 'epsilon_svr rbf') throw new RangeError(`The model is ${kind}, not epsilon_svr rbf.`);
  const vectors = body.trim().split('\n').map(parseVector);
  if (vectors.length !== Number(facts.get('total_sv'))) {
    throw new RangeError(`The model has ${vectors.length} vectors, its head says ${facts.get('total_sv')}.`);
  }
  return { gamma: Number(facts.get('gamma')), rho: Number(facts.get('rho')), vectors };
}

function parseVector(line: string) {
  const [coefficient, ...entries] = line.trim().split(/\s+/);
  const features = new Float64Array(FEATURES);
  for (const entry of entries) {
    const [index, value] = entry.split(':');
    features[Number(index) - 1] = Number(value);
  }
  return { coefficient: Number(coefficient), features };
}
