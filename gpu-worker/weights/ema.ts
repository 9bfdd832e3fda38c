import { AppError } from '../../shared/error.ts';
import type { Checkpoint } from './checkpoint.ts';
import { renamed } from './combine.ts';

const RAW = 'model.';
const AVERAGED = 'model_ema.';
/** Of the average itself: its decay, and how often it was updated. */
const COUNTERS = ['decay', 'num_updates'];

/**
 * A latent diffusion model with the averages of its weights in the place of the weights themselves, under the names of
 * these. The file has the names of averages without their dots (ldm/modules/ema.py of github.com/CompVis/latent-diffusion),
 * so `10` may be 1.0 or 10: the raw names tell. Throws AppError `engine-failed` unless each weight has an average, and each
 * average a weight.
 */
export function averaged(checkpoint: Checkpoint): Checkpoint {
  const names = [...checkpoint.tensors.keys()];
  const rawOf = new Map(
    names.filter((name) => name.startsWith(RAW)).map((name) => [name.slice(RAW.length).replaceAll('.', ''), name]),
  );
  const averages = names
    .filter((name) => name.startsWith(AVERAGED))
    .map((name) => name.slice(AVERAGED.length))
    .filter((name) => !COUNTERS.includes(name));
  const found = new Set(averages);
  const alone = [
    ...averages.filter((name) => !rawOf.has(name)),
    ...[...rawOf.keys()].filter((name) => !found.has(name)),
  ];
  if (rawOf.size === 0 || alone.length > 0) {
    const example = alone[0] === undefined ? '' : `, such as ${alone[0]}`;
    throw new AppError(
      'engine-failed',
      `${checkpoint.files.join(', ')} has ${rawOf.size} weights in ${RAW} and ${averages.length} averages in ${AVERAGED}; ${alone.length} have no partner${example}.`,
    );
  }
  return renamed(checkpoint, (name) => {
    if (name.startsWith(AVERAGED)) return rawOf.get(name.slice(AVERAGED.length));
    return name.startsWith(RAW) ? undefined : name;
  });
}
