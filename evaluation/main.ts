import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { DEVICE_OPTION, readDevice } from '../gpu-worker/device-settings.ts';
import { listModels } from '../gpu-worker/model-store/added-models.ts';
import { openEngines } from '../gpu-worker/open-engines.ts';
import { takeShare } from '../gpu-worker/runtime/share.ts';
import { runCommand, usageError, wholeNumber } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { readLimits, readVariables } from '../shared/configuration.ts';
import { AppError } from '../shared/error.ts';
import { createLog } from '../shared/log.ts';
import { METHOD_IDS } from '../shared/methods/registry.ts';
import { writeContactSheet } from './contact-sheet.ts';
import { type CandidateResult, evaluate, parseCandidates, scaleOf } from './evaluate.ts';
import { createMeter } from './measure.ts';
import { NETWORK_CONTRACT } from './metrics/learned.ts';
import { describeMetrics, findMetricFiles } from './metrics/metric-files.ts';
import { isProtocol, PROTOCOLS, type Protocol } from './metrics/protocol.ts';
import { METRICS, type MetricId } from './metrics/registry.ts';
import { checkSizes, findPairs, type Pair } from './pairs.ts';
import { type Facts, toCsv, toJson, toMarkdown } from './report.ts';

const OPTIONS = {
  hr: { value: 'DIR', about: 'the ground truth' },
  lr: { value: 'DIR', about: 'the photos' },
  models: { value: 'A,B', about: `${['bicubic', ...METHOD_IDS].join(', ')}, and names of models that were added` },
  out: { value: 'DIR', about: 'where table.md, images.csv, results.json, contact-sheet.jpg and results/MODEL/ go' },
  seed: { value: 'N', about: 'of diffusion models', default: '0' },
  protocol: {
    value: Object.keys(PROTOCOLS).join(' | '),
    about: `how pictures are compared. ${Object.entries(PROTOCOLS)
      .map(([id, { about }]) => `${id}: ${about}`)
      .join('. ')}`,
    default: 'own',
  },
  device: DEVICE_OPTION,
  'models-directory': { value: 'DIR', about: 'where built models are (default: MODELS_DIR, else models)' },
  metric: {
    value: 'ID=FILE,…',
    about: 'the files of a metric, as the list above has them; or one ONNX file',
    multiple: true,
  },
  'metrics-directory': { value: 'DIR', about: 'all ONNX files in a folder, as ID.onnx' },
} as const;

const environmentSchema = z.object({ MODELS_DIR: z.string().default('models') });

async function evaluateModels(values: Values<typeof OPTIONS>): Promise<void> {
  const { MODELS_DIR } = readVariables(environmentSchema, process.env, {
    warn: (sentence) => process.stderr.write(`${sentence}\n`),
  });
  const { hr, lr, models, out } = values;
  if (!hr || !lr || !models || !out) throw usageError('--hr, --lr, --models and --out are needed');
  const asked = readDevice(values.device);
  const protocol = readProtocol(values.protocol);
  const seed = wholeNumber('seed', values.seed, 2 ** 32 - 1);
  const modelsDirectory = resolve(values['models-directory'] ?? MODELS_DIR);
  const installed = await listModels(modelsDirectory);
  const candidates = parseCandidates(models, installed);
  const limits = readLimits(process.env);
  const pairs = await findPairs(hr, lr);
  const scale = scaleOf(candidates, installed);
  await checkSizes(pairs, scale, limits);
  const files = await findMetricFiles(values.metric, values['metrics-directory']);
  await mkdir(out, { recursive: true });

  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new AppError('conflict', 'Stopped.')));
  const log = createLog('warn', (line) => process.stderr.write(`${line}\n`));
  const {
    engines: [engine],
    choice,
  } = await openEngines(asked, { modelsDirectory, log });
  process.stderr.write(`${choice}\n`);
  const { device, index: deviceIndex } = engine.place;
  takeShare({ deviceIndex });
  const meter = await createMeter(files, { device, protocol }).catch(async (error: unknown) => {
    await engine.close();
    throw error;
  });
  try {
    const onImage = (model: string, name: string) => process.stderr.write(`${model}: ${name}\n`);
    const places = { pairs, outputDirectory: out, signal: stop.signal, onImage };
    const results = await evaluate({ ...places, candidates, installed, scale, engine, meter, limits, seed });
    await report(out, pairs, meter.metrics, results, {
      pairs: pairs.length,
      seed,
      device: engine.name,
      protocol: protocol.about,
      notMeasured: without(meter.metrics),
    });
  } finally {
    await engine.close();
    await meter.release();
  }
}

async function report(
  directory: string,
  pairs: readonly Pair[],
  metrics: readonly MetricId[],
  results: readonly CandidateResult[],
  facts: Facts,
): Promise<void> {
  const rows = pairs.map(({ inputPath, truthPath }, index) => ({
    paths: [inputPath, ...results.map(({ images }) => images[index]!.path), truthPath],
  }));
  const columns = ['input', ...results.map(({ model }) => model), 'ground truth'];
  const table = toMarkdown(metrics, results, facts);
  await writeFile(join(directory, 'results.json'), toJson(metrics, results, facts));
  await writeFile(join(directory, 'images.csv'), toCsv(metrics, results));
  await writeFile(join(directory, 'table.md'), table);
  await writeContactSheet(join(directory, 'contact-sheet.jpg'), columns, rows);
  print(table);
}

function without(measured: readonly MetricId[]): string[] {
  return METRICS.filter(({ id }) => !measured.includes(id)).map(({ label }) => label);
}

function readProtocol(id: string): Protocol {
  if (isProtocol(id)) return PROTOCOLS[id];
  throw usageError(`--protocol ${id}: it is one of ${Object.keys(PROTOCOLS).join(', ')}.`);
}

function print(text: string): void {
  process.stdout.write(text);
}

runCommand({
  name: 'evaluate',
  usage: ['--hr DIR --lr DIR --models A,B --out DIR [options]'],
  about: `
Restores the photos of --lr by every model and measures the results against --hr: the pictures of the same names without
ending, exactly as many times as large as all of the models make photos (4, but for some that were added). The metrics, and what each needs:

${describeMetrics()}

An ONNX file in place of these has ${NETWORK_CONTRACT}.`,
  options: OPTIONS,
  run: evaluateModels,
});
