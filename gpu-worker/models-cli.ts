import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { AppError } from '../shared/error.ts';
import { DIFFUSION_MODELS, MODEL_IDS, MODELS } from '../shared/models.ts';
import { buildModel } from './build.ts';
import { planSeesr } from './models/seesr-plan.ts';
import { describeModels, verifyModels } from './models/verify.ts';

const USAGE = `npm run models -- build seesr --seesr DIR --sd DIR --ram FILE --dape FILE [options]
npm run models -- build seesr-turbo --seesr DIR --sd-turbo DIR --sd DIR --ram FILE --dape FILE [options]
npm run models -- list [--json]
npm run models -- verify [MODEL]

Where the published files are:
  --seesr DIR        SeeSR: unet and controlnet
  --sd DIR           stable-diffusion-2-base: text_encoder, tokenizer, vae, scheduler
  --sd-turbo DIR     sd-turbo: unet, scheduler; what else it has takes the place of that in --sd
  --ram FILE         ram_swin_large_14m.pth
  --dape FILE        DAPE.pth
  --ram-config FILE  sizes, tags and thresholds, for a tagger other than the published one

  --dtype fp32 | fp16   how weights are stored (default: fp32 for cpu, fp16 for cuda)
  --device cpu | cuda   what the model is built for; a GPU computes in fp16 what is stored so (default cpu)
  --models DIR          where built models are (default: MODELS_DIR, else models)
  --force               replace the model that is there

A build that was interrupted goes on where it was. No Python is needed, and nothing in the files is executed.
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seesr: { type: 'string' },
      sd: { type: 'string' },
      'sd-turbo': { type: 'string' },
      ram: { type: 'string' },
      dape: { type: 'string' },
      'ram-config': { type: 'string' },
      dtype: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
      models: { type: 'string', default: process.env.MODELS_DIR || 'models' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [command, model, ...rest] = positionals;
  const modelsDirectory = resolve(values.models);
  if (values.help) return print(USAGE.trimEnd());
  if (command === 'build' && model !== undefined && rest.length === 0) await build(model, values, modelsDirectory);
  else if (command === 'list' && model === undefined) await list(modelsDirectory, values.json);
  else if (command === 'verify' && rest.length === 0) await verify(modelsDirectory, model);
  else throw new AppError('invalid', `"${positionals.join(' ')}" is not a command.\n\n${USAGE}`);
}

type Values = Record<string, string | boolean | undefined>;

async function build(id: string, values: Values, modelsDirectory: string): Promise<void> {
  const model = oneOf('The model', id, DIFFUSION_MODELS);
  const path = (option: string) => (typeof values[option] === 'string' ? resolve(values[option]) : undefined);
  const needed = (option: string) => {
    const found = path(option);
    if (found === undefined) throw new AppError('invalid', `--${option} is needed to build ${model}.\n\n${USAGE}`);
    return found;
  };
  const device = oneOf('--device', values.device, ['cpu', 'cuda']);
  const dtype = oneOf('--dtype', values.dtype ?? (device === 'cuda' ? 'fp16' : 'fp32'), ['fp32', 'fp16']);
  const turbo = model === 'seesr-turbo';
  if (!turbo && values['sd-turbo']) throw new AppError('invalid', '--sd-turbo is for the model seesr-turbo.');
  await using plan = await planSeesr({
    model,
    dtype,
    device,
    sources: {
      seesr: needed('seesr'),
      sd: turbo ? path('sd') : needed('sd'),
      sdTurbo: turbo ? needed('sd-turbo') : undefined,
      ram: needed('ram'),
      dape: needed('dape'),
      ramConfig: path('ram-config'),
    },
  });
  const format = '[{bar}] {percentage}% | {step}';
  const bar = new SingleBar({ format, noTTYOutput: true, notTTYSchedule: 2_000 });
  bar.start(100, 0, { step: 'starting' });
  try {
    await buildModel(plan, {
      modelsDirectory,
      force: values.force === true,
      onProgress: ({ step, bytes, totalBytes }) => bar.update(Math.floor((100 * bytes) / totalBytes), { step }),
    });
  } finally {
    bar.stop();
  }
  print(`${model} is installed in ${modelsDirectory}. Whose weights it holds: ${model}/LICENSES.md.`);
}

async function list(modelsDirectory: string, json: boolean): Promise<void> {
  const models = await describeModels(modelsDirectory);
  if (json) return print(JSON.stringify(models));
  const lines = models.flatMap(({ id, state, bytes, dtype, device, from, problem }) => {
    const size = bytes === undefined ? '' : `${(bytes / 1e6).toFixed(1)} MB, ${dtype}, ${device}`;
    const folders = [...new Set(from.map(dirname))].map((folder) => `${' '.repeat(19)}from ${folder}`);
    return [[id.padEnd(18), state.padEnd(10), problem ?? size].join(' ').trimEnd(), ...folders];
  });
  print(lines.join('\n'));
}

async function verify(modelsDirectory: string, id: string | undefined): Promise<void> {
  const models = id === undefined ? MODEL_IDS : [oneOf('The model', id, MODEL_IDS)];
  const { checked, problems } = await verifyModels(modelsDirectory, models, id !== undefined);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  for (const model of checked) print(`${model} (${MODELS[model].name}): every file is as it should be.`);
  if (problems.length > 0) process.exitCode = 1;
}

function oneOf<Choice extends string>(what: string, value: unknown, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new AppError('invalid', `${what} is ${value}; it must be ${choices.join(' or ')}.`);
  return found;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
