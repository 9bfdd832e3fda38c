import { findPictures } from '../evaluation/pairs.ts';
import { isDevice } from '../gpu-worker/runtime/devices.ts';
import { notACommand, runCommand, usageError, wholeNumber } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { readLimits } from '../shared/configuration.ts';
import { trainDape } from './dape/train.ts';
import { trainDenoiser } from './denoiser/train.ts';
import type { Metrics } from './metrics.ts';
import { degradedPairs, squares, storedPairs } from './pairs.ts';

const MOST = 999_999_999;
/** The denoiser halves a latent, an eighth of a picture, three times. */
const CROP_UNIT = 64;

const OPTIONS = {
  photos: { value: 'DIR', about: 'good pictures; they are degraded on the fly' },
  good: { value: 'DIR', about: 'instead: good pictures, and in' },
  degraded: { value: 'DIR', about: 'the degraded ones of the same names' },
  ram: { value: 'FILE', about: 'ram_swin_large_14m.pth' },
  'ram-config': { value: 'FILE', about: 'sizes of a RAM that is not the published one' },
  seesr: { value: 'DIR', about: 'denoiser: the unet and controlnet to begin with' },
  sd: { value: 'DIR', about: 'denoiser: stable-diffusion-2-base' },
  dape: { value: 'FILE', about: 'denoiser: DAPE.pth' },
  lora: { value: 'R', about: 'denoiser: train updates of rank R on its attention, not all of it' },
  out: {
    value: 'FILE',
    about: 'the result: DAPE.pth; of denoiser the folder seesr-trained, or denoiser-lora.safetensors',
  },
  run: { value: 'DIR', about: 'where the state, metrics.jsonl and loss.svg go; dape-run, or denoiser-run' },
  resume: { about: 'go on with the run of this directory' },
  steps: { value: 'N', about: 'steps of the optimizer', default: '20000' },
  batch: { value: 'N', about: 'pictures of a step; 8, of denoiser 2' },
  rate: { value: 'X', about: 'learning rate; 0.0001, of denoiser 0.00005' },
  lambda: { value: 'X', about: 'dape: weight of the tags in the loss; 1' },
  crop: {
    value: 'N',
    about: `side of the part that is taken of each photo; of denoiser a multiple of ${CROP_UNIT}`,
    default: '512',
  },
  seed: { value: 'N', about: 'same seed, same bytes', default: '10' },
  'save-every': { value: 'N', about: 'steps between two saves', default: '100' },
  validation: {
    value: 'DIR',
    about: 'dape: good pictures that nothing is learned from: their loss, and samples, every n steps',
  },
  'validation-degraded': { value: 'DIR', about: 'the degraded ones of the same names; default: they are made' },
  'validate-every': { value: 'N', about: 'steps between two validations; 100' },
  memory: { about: 'compute activations again instead of keeping them: less memory, more time' },
  device: { value: 'NAME', about: 'cpu or cuda', default: 'cpu' },
} as const;

type Given = Values<typeof OPTIONS>;
type PairSettings = Record<'seed' | 'crop', number>;

const TRAININGS = { dape, denoiser };
const OWN = {
  dape: ['lambda', 'validation', 'validation-degraded', 'validate-every'],
  denoiser: ['seesr', 'sd', 'dape', 'lora'],
} as const;

async function train(values: Given, words: string[]): Promise<void> {
  const [word = ''] = words;
  if (words.length !== 1 || !isTraining(word)) throw notACommand('train', words);
  const foreign = OWN[word === 'dape' ? 'denoiser' : 'dape'].find((name) => values[name] !== undefined);
  if (foreign) throw usageError(`--${foreign} is no option of ${word}`);
  await TRAININGS[word](values);
}

function isTraining(word: string): word is keyof typeof TRAININGS {
  return Object.hasOwn(TRAININGS, word);
}

async function dape(values: Given): Promise<void> {
  const { photos, good, degraded, validation, out = 'DAPE.pth', run = 'dape-run' } = values;
  const { 'validation-degraded': validationDegraded, 'validate-every': every = '100' } = values;
  if (validationDegraded !== undefined && validation === undefined)
    throw usageError('--validation-degraded needs --validation');
  const validateEvery = validation === undefined ? undefined : count('validate-every', every);
  const settings = {
    ...{ photos, good, degraded },
    ...commonSettings(values, { batch: '8', rate: '0.0001' }),
    lambda: positive('lambda', values.lambda ?? '1'),
    ...{ validation, validationDegraded, validateEvery },
  };
  await trainDape({
    ...common(values, settings.steps),
    ...{ settings, run, out },
    source: await trainingPairs(values, settings),
    validation:
      validation === undefined || validateEvery === undefined
        ? undefined
        : {
            source: await pairsOf(validation, validationDegraded, settings),
            count: (await findPictures(validation)).size,
            every: validateEvery,
          },
    ram: needed(values, 'ram'),
    ramConfig: values['ram-config'],
  });
  process.stderr.write(`${out} is written; "seesr models build --dape ${out}" takes it in.\n`);
}

async function denoiser(values: Given): Promise<void> {
  const { photos, good, degraded } = values;
  const lora = values.lora === undefined ? undefined : count('lora', values.lora);
  const { out = lora === undefined ? 'seesr-trained' : 'denoiser-lora.safetensors', run = 'denoiser-run' } = values;
  const settings = {
    ...{ photos, good, degraded },
    ...commonSettings(values, { batch: '2', rate: '0.00005' }),
    lora,
  };
  const { crop, seed } = settings;
  if (crop % CROP_UNIT !== 0) throw usageError(`--crop ${crop}: it is a multiple of ${CROP_UNIT}`);
  await trainDenoiser({
    ...common(values, settings.steps),
    ...{ settings, run, out },
    source: squares(await trainingPairs(values, settings), { seed, crop }),
    files: {
      seesr: needed(values, 'seesr'),
      sd: needed(values, 'sd'),
      ram: needed(values, 'ram'),
      dape: needed(values, 'dape'),
      ramConfig: values['ram-config'],
    },
  });
  const option = lora === undefined ? '--seesr' : '--denoiser-lora';
  process.stderr.write(`${out} is written; "seesr models build ${option} ${out}" takes it in.\n`);
}

function needed(values: Given, name: 'ram' | 'seesr' | 'sd' | 'dape'): string {
  const value = values[name];
  if (value) return value;
  const reason = name === 'ram' ? ': a built model has DAPE merged into RAM, and training needs plain RAM' : '';
  throw usageError(`--${name} is needed${reason}`);
}

function commonSettings(values: Given, { batch, rate }: { batch: string; rate: string }) {
  return {
    crop: count('crop', values.crop),
    seed: wholeNumber('seed', values.seed, MOST),
    steps: count('steps', values.steps),
    batch: count('batch', values.batch ?? batch),
    learningRate: positive('rate', values.rate ?? rate),
  };
}

function common(values: Given, steps: number) {
  const { device, resume, memory } = values;
  if (!isDevice(device)) throw usageError(`--device ${device}: there is no such device`);
  const saveEvery = count('save-every', values['save-every']);
  return { resumes: resume, recomputes: memory, saveEvery, device, onStep: progress(steps) };
}

async function trainingPairs({ photos, good, degraded }: Given, settings: PairSettings) {
  const isStored = good !== undefined && degraded !== undefined;
  if ((photos === undefined) !== isStored) throw usageError('give either --photos, or --good and --degraded');
  return isStored ? await pairsOf(good, degraded, settings) : await pairsOf(photos!, undefined, settings);
}

async function pairsOf(good: string, degraded: string | undefined, { seed, crop }: PairSettings) {
  const limits = readLimits(process.env);
  return degraded === undefined
    ? await degradedPairs(good, { seed, crop, limits })
    : await storedPairs(good, degraded, seed, limits);
}

function count(option: string, value: string): number {
  return wholeNumber(option, value, MOST, 1);
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
  usage: [
    'dape (--photos DIR | --good DIR --degraded DIR) --ram FILE [options]',
    'denoiser (--photos DIR | --good DIR --degraded DIR) --seesr DIR --sd DIR --ram FILE --dape FILE [--lora R] [options]',
  ],
  about: `
Trains SeeSR on degraded photos, as published. "dape": the LoRA of its tagger; RAM sees the good picture, RAM with LoRA the
degraded one, and learns to say the same. The result goes into the product by "seesr models build --dape FILE". "denoiser":
ControlNet and the attention to the photo in the UNet learn to find the noise in the good picture, led by the degraded one; with
--lora only small updates do, which need far less memory. The result goes into the product by "seesr models build --seesr
DIR", or "--denoiser-lora FILE". See docs/training.md.`,
  options: OPTIONS,
  takesWords: true,
  run: train,
});
