import { rename, rm, stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { AppError } from '../shared/error.ts';
import { DEFAULT_LIMITS } from '../shared/limits.ts';
import { createLog } from '../shared/log.ts';
import { MODEL_IDS } from '../shared/models.ts';
import { completeParameters, requestedParametersSchema } from '../shared/parameters.ts';
import { createEngine } from './engine.ts';

const USAGE = `npm run restore -- IN OUT [options]

  --model ${MODEL_IDS.join(' | ')}
  --denoise 0..1        real-esrgan-fast only: 0 keeps grain and noise, 1 takes away what it can
  --scale 1..4          size of the result (default 4)
  --format png | jpeg | webp | avif     default: by the ending of OUT, else png
  --quality 1..100      of jpeg, webp and avif (default 90)
  --metadata keep | strip | strip_location
  --seed N              same seed, same picture; Real-ESRGAN draws no random numbers
  --device cpu | cuda
  --json                print the result as one JSON object
`;

const FORMAT_OF_ENDING: Record<string, string> = { '.jpg': 'jpeg', '.jpeg': 'jpeg', '.webp': 'webp', '.avif': 'avif' };

/** One photo, without any server: the same child process and recipe as in the worker. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: 'string' },
      denoise: { type: 'string' },
      scale: { type: 'string' },
      format: { type: 'string' },
      quality: { type: 'string' },
      metadata: { type: 'string' },
      seed: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
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
  const parameters = readParameters(values, outputPath);
  // What stands at OUT stays until the new picture is whole.
  const unfinishedPath = `${outputPath}.unfinished`;

  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new AppError('conflict', 'Stopped.')));
  const engine = createEngine({
    device: values.device,
    log: createLog('warn', (line) => process.stderr.write(`${line}\n`)),
  });
  const bar = new SingleBar({ format: '[{bar}] {percentage}% | {stage}', noTTYOutput: true, notTTYSchedule: 2_000 });
  bar.start(100, 0, { stage: 'loading' });
  try {
    const result = await engine.restore(
      { inputPath, outputPath: unfinishedPath, parameters, limits: DEFAULT_LIMITS },
      {
        signal: stop.signal,
        onProgress: ({ percent, stage, tile, tiles }) =>
          bar.update(percent, { stage: tiles ? `${stage} tile ${tile}/${tiles}` : stage }),
      },
    );
    await rename(unfinishedPath, outputPath);
    bar.update(100, { stage: 'done' });
    bar.stop();
    if (values.json) return print(JSON.stringify({ output: outputPath, parameters, ...result }));
    for (const note of result.notes) print(`Note: ${note}`);
    const seconds = result.seconds.decode + result.seconds.upscale + result.seconds.encode;
    print(`${outputPath}: ${result.width}×${result.height}, ${result.bytes} bytes, ${seconds.toFixed(1)} s`);
  } finally {
    bar.stop();
    await engine.close();
    await rm(unfinishedPath, { force: true });
  }
}

/** Checked by the same schema as a request to the API. */
function readParameters(values: Record<string, string | boolean | undefined>, outputPath: string) {
  const number = (name: string) => (values[name] === undefined ? undefined : Number(values[name]));
  const requested = requestedParametersSchema.safeParse({
    model: values.model,
    denoise: number('denoise'),
    scale: number('scale'),
    seed: number('seed'),
    quality: number('quality'),
    metadata: values.metadata,
    format: values.format ?? FORMAT_OF_ENDING[extname(outputPath).toLowerCase()],
  });
  if (requested.success) return completeParameters(requested.data, MODEL_IDS);
  const rules = requested.error.issues.map(
    ({ path, message }) => `--${String(path[0])} ${values[String(path[0])]}: ${message}`,
  );
  throw new AppError('invalid', rules.join('\n'));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
