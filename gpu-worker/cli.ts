import { rename, rm, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { z } from 'zod';
import { readVariables, sharedVariables } from '../shared/configuration.ts';
import { AppError } from '../shared/error.ts';
import { DEFAULT_LIMITS } from '../shared/limits.ts';
import { createLog } from '../shared/log.ts';
import { MODEL_IDS, MODEL_PARAMETERS, type ModelId } from '../shared/models.ts';
import { completeParameters, requestedParametersSchema } from '../shared/parameters.ts';
import { createEngine } from './engine.ts';
import { checkHeicDecoder } from './images/heic.ts';
import { listInstalled } from './models/installed.ts';

const USAGE = `npm run restore -- IN OUT [options]

  --model ${MODEL_IDS.join(' | ')}
  --scale 1..4          size of the result (default 4)
  --format png | jpeg | webp | avif     default: by the ending of OUT, else png
  --quality 1..100      of jpeg, webp and avif (default 90)
  --metadata keep | strip | strip_location
  --seed N              same seed, same picture; Real-ESRGAN draws no random numbers
  --device cpu | cuda
  --models DIR          where built models are (default: MODELS_DIR, else models)
  --compat              diffusion models only: repeat the published script step by step, resampling included
  --json                print the result as one JSON object

Of some models only (--tags append:TAG,TAG or replace:TAG,TAG):
${Object.entries(MODEL_PARAMETERS)
  .map(([name, { description }]) => `  --${optionOf(name).padEnd(20)} ${description}`)
  .join('\n')}
`;

const FORMAT_OF_ENDING: Record<string, string> = { '.jpg': 'jpeg', '.jpeg': 'jpeg', '.webp': 'webp', '.avif': 'avif' };

const MODEL_OPTIONS = Object.fromEntries(
  Object.keys(MODEL_PARAMETERS).map((name) => [optionOf(name), { type: 'string' as const }]),
);

/** One photo, without any server: the same child process and recipe as in the worker. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: 'string' },
      ...MODEL_OPTIONS,
      scale: { type: 'string' },
      format: { type: 'string' },
      quality: { type: 'string' },
      metadata: { type: 'string' },
      seed: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
      models: { type: 'string', default: process.env.MODELS_DIR || 'models' },
      compat: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [input, output, ...rest] = positionals;
  if (values.help) return print(USAGE.trimEnd());
  if (!input || !output || rest.length > 0) throw new AppError('invalid', `Two files are needed.\n\n${USAGE}`);
  if (values.device !== 'cpu' && values.device !== 'cuda') {
    throw new AppError('invalid', `--device ${values.device}: it is cpu or cuda.`);
  }
  const inputPath = resolve(input);
  const outputPath = resolve(output);
  if (inputPath === outputPath) throw new AppError('invalid', 'IN and OUT are the same file.');
  await stat(inputPath).catch(() => {
    throw new AppError('not-found', `There is no file ${inputPath}.`);
  });
  const modelsDirectory = resolve(values.models);
  await checkPlace(outputPath);
  const { HEIC: heic } = readVariables(z.object({ HEIC: sharedVariables.HEIC }), process.env);
  if (heic) checkHeicDecoder();
  const limits = { ...DEFAULT_LIMITS, heic };
  const parameters = readParameters(values, outputPath, await listInstalled(modelsDirectory));
  // What stands at OUT stays until the new picture is whole.
  const unfinishedPath = `${outputPath}.unfinished`;

  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new AppError('conflict', 'Stopped.')));
  const engine = createEngine({
    device: values.device,
    modelsDirectory,
    log: createLog('warn', (line) => process.stderr.write(`${line}\n`)),
  });
  const bar = new SingleBar({ format: '[{bar}] {percentage}% | {stage}', noTTYOutput: true, notTTYSchedule: 2_000 });
  bar.start(100, 0, { stage: 'loading' });
  try {
    const result = await engine.restore(
      { inputPath, outputPath: unfinishedPath, parameters, limits, compat: values.compat },
      {
        signal: stop.signal,
        onProgress: ({ percent, stage, step, steps, tile, tiles }) => {
          const places = [steps && `step ${step}/${steps}`, tiles && `tile ${tile}/${tiles}`];
          bar.update(percent, { stage: [stage, ...places.filter(Boolean)].join(' ') });
        },
      },
    );
    await rename(unfinishedPath, outputPath);
    bar.update(100, { stage: 'done' });
    bar.stop();
    if (values.json) return print(JSON.stringify({ output: outputPath, parameters, ...result }));
    for (const note of result.notes) print(`Note: ${note}`);
    if (result.fidelity_report) {
      const { psnr, delta_e, added_detail } = result.fidelity_report;
      print(`True to the photo: ${psnr} dB, ΔE ${delta_e}; detail added or taken away: ${added_detail} levels of 255.`);
    }
    const seconds = Object.values(result.seconds).reduce((total, stage) => total + stage);
    print(`${outputPath}: ${result.width}×${result.height}, ${result.bytes} bytes, ${seconds.toFixed(1)} s`);
  } finally {
    bar.stop();
    await engine.close();
    await rm(unfinishedPath, { force: true });
  }
}

/** Known before the work, which may take minutes. */
async function checkPlace(outputPath: string): Promise<void> {
  const folder = await stat(dirname(outputPath)).catch(() => undefined);
  if (!folder?.isDirectory()) throw new AppError('not-found', `There is no folder ${dirname(outputPath)}.`);
  const output = await stat(outputPath).catch(() => undefined);
  if (output?.isDirectory()) throw new AppError('invalid', `OUT is a folder: ${outputPath}.`);
}

type Values = Record<string, string | boolean | undefined>;

/** Checked by the same schema as a request to the API. */
function readParameters(values: Values, outputPath: string, installed: readonly ModelId[]) {
  const number = (name: string) => (values[name] === undefined ? undefined : Number(values[name]));
  const requested = requestedParametersSchema.safeParse({
    model: values.model,
    scale: number('scale'),
    seed: number('seed'),
    quality: number('quality'),
    metadata: values.metadata,
    format: values.format ?? FORMAT_OF_ENDING[extname(outputPath).toLowerCase()],
    ...readModelParameters(values),
  });
  if (requested.success) return completeParameters(requested.data, installed);
  const rules = requested.error.issues.map(({ path, message }) => {
    const option = optionOf(String(path[0]));
    return `--${option} ${values[option]}: ${message}`;
  });
  throw new AppError('invalid', rules.join('\n'));
}

function readModelParameters(values: Values): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(MODEL_PARAMETERS)) {
    const value = values[optionOf(name)];
    if (typeof value !== 'string') continue;
    if (name === 'tags') given[name] = readTags(value);
    else given[name] = schema instanceof z.ZodNumber ? Number(value) : value;
  }
  return given;
}

function readTags(value: string) {
  const [mode, ...list] = value.split(/[:,]/);
  return { mode, list };
}

function optionOf(parameter: string): string {
  return parameter.replaceAll('_', '-');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
