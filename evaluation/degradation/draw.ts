import type { ResizeMode } from '../../gpu-worker/images/torch-resize.ts';
import type { Random } from './random.ts';

/** Of a filter of size × size; `beta` is the exponent of generalized and plateau shapes. */
export type KernelParameters =
  | { shape: 'sinc'; size: number; cutoff: number }
  | {
      shape: 'gaussian' | 'plateau';
      size: number;
      sigmaX: number;
      sigmaY: number;
      /** Radians. */
      rotation: number;
      beta: number;
    };

export interface Noise {
  /** Gaussian: the deviation in levels of 255. Poisson: the factor of its noise. */
  kind: 'gaussian' | 'poisson';
  strength: number;
  /** The same for all colors. */
  grey: boolean;
}

interface Stage {
  blur?: KernelParameters;
  /** Of the first stage relative to the picture, of the second relative to the small one. */
  scale: number;
  resize: ResizeMode;
  noise: Noise;
  jpegQuality: number;
}

/** All that happens to one picture. */
export interface Degradation {
  first: Stage;
  second: Stage;
  /** The end: the size and the sinc filter, then JPEG; or JPEG, then the size and the sinc filter. */
  end: 'resize-jpeg' | 'jpeg-resize';
  finalResize: ResizeMode;
  finalSinc?: KernelParameters;
}

/** The training set of SeeSR (its `make_paired_data` with the parameters of Real-ESRGAN+; Wang et al. 2021, section 3). */
const STAGES = {
  first: {
    blur: 1,
    sigma: [0.2, 3],
    directions: { up: 0.2, down: 0.7, keep: 0.1 },
    scale: [0.15, 1.5],
    noise: [1, 30],
    poisson: [0.05, 3],
  },
  second: {
    blur: 0.8,
    sigma: [0.2, 1.5],
    directions: { up: 0.3, down: 0.4, keep: 0.3 },
    scale: [0.3, 1.2],
    noise: [1, 25],
    poisson: [0.05, 2.5],
  },
} as const;

const SINC_PROBABILITY = 0.1;
const FINAL_SINC_PROBABILITY = 0.8;
const SHAPES = {
  iso: 0.45,
  aniso: 0.25,
  'generalized-iso': 0.12,
  'generalized-aniso': 0.03,
  'plateau-iso': 0.12,
  'plateau-aniso': 0.03,
};
const GREY_NOISE_PROBABILITY = 0.4;
const JPEG_QUALITY = [30, 95] as const;

/** The reference draws modes and kinds once for ten pictures; here every picture has its own. */
export function drawDegradation(random: Random): Degradation {
  const first = drawStage(random, STAGES.first);
  const second = drawStage(random, STAGES.second);
  const end = random.chance(0.5) ? 'resize-jpeg' : 'jpeg-resize';
  const drawn: Degradation = { first, second, end, finalResize: drawMode(random) };
  if (random.chance(FINAL_SINC_PROBABILITY)) drawn.finalSinc = drawSinc(random, drawSize(random), Math.PI / 3);
  return drawn;
}

function drawStage(random: Random, stage: (typeof STAGES)[keyof typeof STAGES]): Stage {
  const blur = random.chance(stage.blur) ? drawKernel(random, stage.sigma) : undefined;
  const direction = random.pick(stage.directions);
  const [smallest, largest] = stage.scale;
  const scale =
    direction === 'up' ? random.between(1, largest) : direction === 'down' ? random.between(smallest, 1) : 1;
  const resize = drawMode(random);
  const kind = random.chance(0.5) ? 'gaussian' : 'poisson';
  const [weakest, strongest] = kind === 'gaussian' ? stage.noise : stage.poisson;
  const strength = random.between(weakest, strongest);
  const noise: Noise = { kind, strength, grey: random.chance(GREY_NOISE_PROBABILITY) };
  const jpegQuality = random.between(...JPEG_QUALITY);
  return { ...(blur && { blur }), scale, resize, noise, jpegQuality };
}

function drawKernel(random: Random, sigmas: readonly [number, number]): KernelParameters {
  const size = drawSize(random);
  if (random.chance(SINC_PROBABILITY)) return drawSinc(random, size, size < 13 ? Math.PI / 3 : Math.PI / 5);
  const kind = random.pick(SHAPES);
  const sigmaX = random.between(...sigmas);
  const isRound = !kind.endsWith('aniso');
  const sigmaY = isRound ? sigmaX : random.between(...sigmas);
  const rotation = isRound ? 0 : random.between(-Math.PI, Math.PI);
  return {
    shape: kind.startsWith('plateau') ? 'plateau' : 'gaussian',
    size,
    sigmaX,
    sigmaY,
    rotation,
    beta: drawBeta(random, kind),
  };
}

function drawBeta(random: Random, kind: keyof typeof SHAPES): number {
  if (kind.startsWith('generalized')) return random.chance(0.5) ? random.between(0.5, 1) : random.between(1, 4);
  if (kind.startsWith('plateau')) return random.chance(0.5) ? 1 : random.between(1, 2);
  return 1;
}

function drawSinc(random: Random, size: number, lowest: number): KernelParameters {
  return { shape: 'sinc', size, cutoff: random.between(lowest, Math.PI) };
}

/** 7, 9, … 21. */
function drawSize(random: Random): number {
  return 7 + 2 * Math.floor(random.between(0, 8));
}

function drawMode(random: Random): ResizeMode {
  return random.pick({ area: 1, bilinear: 1, bicubic: 1 });
}
