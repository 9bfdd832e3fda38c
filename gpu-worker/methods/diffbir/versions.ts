import type { DiffbirId } from '../../../shared/methods/diffbir.ts';
import { createNoiseSchedule, type NoiseSchedule } from '../../schedulers/noise-schedule.ts';
import type { Predicts } from '../../schedulers/predicts.ts';

/** The differences of the versions, beside their weights. */
export interface VersionFacts {
  /** The name of the network in front. */
  firstStage: 'swinir' | 'bsrnet';
  /** See `NoiseScheduleConfig`. */
  endsInNoise: boolean;
  predicts: Predicts;
}

export const VERSIONS = {
  v1: { firstStage: 'swinir', endsInNoise: false, predicts: 'noise' },
  v2: { firstStage: 'bsrnet', endsInNoise: false, predicts: 'noise' },
  'v2.1': { firstStage: 'swinir', endsInNoise: true, predicts: 'velocity' },
} as const satisfies Record<string, VersionFacts>;

export type Version = keyof typeof VERSIONS;
/** Those that words steer. */
export type LaterVersion = Exclude<Version, 'v1'>;

/** The model that each is. */
export const MODELS = { v1: 'diffbir', v2: 'diffbir-v2', 'v2.1': 'diffbir-v21' } as const satisfies Record<
  Version,
  DiffbirId
>;

/** How noise was added in training: as in Stable Diffusion 2. */
export const SCHEDULE = {
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
} as const;

export function scheduleOf({ endsInNoise }: Pick<VersionFacts, 'endsInNoise'>): NoiseSchedule {
  return createNoiseSchedule({ ...SCHEDULE, endsInNoise });
}
