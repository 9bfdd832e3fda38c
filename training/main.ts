import { findPictures } from '../evaluation/pairs.ts';
import { isDevice } from '../gpu-worker/runtime/devices.ts';
import { notACommand, runCommand, usageError, wholeNumber } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { readLimits } from '../shared/configuration.ts';
import { trainDape } from './dape/train.ts';
import type { Metrics } from './metrics.ts';
import { degradedPairs, storedPairs } from './pairs.ts';

const MOST = 999_999_999;

const OPTIONS = {
  photos: { value: 'DIR', about: 'good pictures; they are degraded on the fly' },
  good: { value: 'DIR', about: 'instead: good pictures, and in' },
  degraded: { value: 'DIR', about: 'the degraded ones of the same names' },
  ram: { value: 'FILE', about: 'ram_swin_large_14m.pth' },
  'ram-config': { value: 'FILE', about: 'sizes of a RAM that is not the published one' },
  out: { value: 'FILE', about: 'the result', default: 'DAPE.pth' },
  run: { value: 'DIR', about: 'where the state, metrics.jsonl and loss.svg go', default: 'dape-run' },
  resume: { about: 'go on with the run of this directory' },
  steps: { value: 'N', about: 'steps of the optimizer', default: '20000' },
  batch: { value: 'N', about: 'pictures of a step', default: '8' },
  rate: { value: 'X', about: 'learning rate', default: '0.0001' },
  lambda: { value: 'X', about: 'weight of the tags in the loss', default: '1' },
  crop: { value: 'N', about: 'side of the part that is taken of each photo', default: '512' },
  seed: { value: 'N', about: 'same seed, same bytes', default: '10' },
  'save-every': { value: 'N', about: 'steps between two saves', default: '100' },
  validation: {
    value: 'DIR',
    about: 'good pictures that nothing is learned from: their loss, and samples, every n steps',
  },
  'validation-degraded': { value: 'DIR', about: 'the degraded ones of the same names; default: they are made' },
  'validate-every': { value: 'N', about: 'steps between two validations', default: '100' },
  memory: { about: 'compute activations again instead of keeping them: less memory, more time' },
  device: { value: 'NAME', about: 'cpu or cuda', default: 'cpu' },
} as const;

async function train(values: Values<typeof OPTIONS>, words: string[]): Promise<void> {
  if (words.length !== 1 || words[0] !== 'dape') throw notACommand('train', words);
  const { photos, good, degraded, ram, device } = values;
  const isStored = good !== undefined && degraded !== undefined;
  if (!ram)
    throw usageError('--ram is needed: a built model has DAPE merged into RAM, and training learns from plain RAM');
  if ((photos === undefined) !== isStored) throw usageError('give either --photos, or --good and --degraded');
  if (values['validation-degraded'] !== undefined && values.validation === undefined)
    throw usageError('--validation-degraded needs --validation');
  if (!isDevice(device)) throw usageError(`--device ${device}: there is no such device`);
  const count = (name: 'steps' | 'batch' | 'save-every' | 'validate-every' | 'crop') => {
    return Math.max(1, wholeNumber(name, values[name], MOST));
  };
  const settings = {
    photos,
    good,
    degraded,
    crop: count('crop'),
    seed: wholeNumber('seed', values.seed, MOST),
    steps: count('steps'),
    batch: count('batch'),
    learningRate: positive('rate', values.rate),
    lambda: positive('lambda', values.lambda),
    validation: values.validation,
    validationDegraded: values['validation-degraded'],
    validateEvery: values.validation === undefined ? undefined : count('validate-every'),
  };
  const limits = readLimits(process.env);
  const sourceOf = async (folder: string, poor: string | undefined) => {
    return poor === undefined
      ? await degradedPairs(folder, { ...settings, limits })
      : await storedPairs(folder, poor, settings.seed, limits);
  };
  const { validation, validationDegraded, validateEvery: every } = settings;
  await trainDape({
    settings,
    source: await sourceOf(isStored ? good : photos!, isStored ? degraded : undefined),
    validation:
      validation === undefined || every === undefined
        ? undefined
        : {
            source: await sourceOf(validation, validationDegraded),
            count: (await findPictures(validation)).size,
            every,
          },
    ram,
    ramConfig: values['ram-config'],
    run: values.run,
    out: values.out,
    resumes: values.resume,
    saveEvery: count('save-every'),
    recomputes: values.memory,
    device,
    onStep: progress(settings.steps),
  });
  process.stderr.write(`${values.out} is written; "seesr models build --dape ${values.out}" takes it in.\n`);
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (number > 0 && Number.isFinite(number)) return number;
  throw usageError(`--${option} ${value}: it is a number above 0.`);
}

/** A line a step, with the time that is left at the pace of this process. */
function progress(steps: number): (metrics: Metrics) => void {
  let first: { step: number; at: number } | undefined;
  return ({ step, loss }) => {
    const now = performance.now();
    first ??= { step, at: now };
    const seconds = (now - first.at) / 1000 / Math.max(1, step - first.step);
    const pace =
      step > first.step ? ` · ${seconds.toFixed(1)} s a step · ${minutes(seconds * (steps - step))} left` : '';
    process.stderr.write(`step ${step} of ${steps} · loss ${loss.toFixed(5)}${pace}\n`);
  };
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

runCommand({
  name: 'train',
  usage: ['dape (--photos DIR | --good DIR --degraded DIR) --ram FILE [options]'],
  about: `
Trains the LoRA of SeeSR's tagger (DAPE) on degraded photos, as published: RAM sees the good picture, RAM with LoRA the
degraded one, and learns to say the same. The result goes into the product by "seesr models build --dape FILE". See
docs/training.md.`,
  options: OPTIONS,
  takesWords: true,
  run: train,
});
