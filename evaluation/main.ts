import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine } from '../gpu-worker/engine.ts';
import { listInstalled } from '../gpu-worker/models/installed.ts';
import type { Device } from '../gpu-worker/runtime/session.ts';
import { AppError } from '../shared/error.ts';
import { createLog } from '../shared/log.ts';
import { MODEL_IDS } from '../shared/models.ts';
import { writeContactSheet } from './contact-sheet.ts';
import { type CandidateResult, evaluate, parseCandidates } from './evaluate.ts';
import { createMeter, type MetricId } from './measure.ts';
import { findLearned, LEARNED_CONTRACT, LEARNED_METRICS, type LearnedMetricId } from './metrics/learned.ts';
import { checkSizes, findPairs, type Pair } from './pairs.ts';
import { type Facts, toCsv, toJson, toMarkdown } from './report.ts';

const USAGE = `npm run evaluate -- --hr DIR --lr DIR --models A,B --out DIR [options]

Restores the photos of --lr by every model and measures the results against --hr: the pictures of the same names without
ending, exactly four times as large. Writes table.md, images.csv, results.json, contact-sheet.jpg and results/MODEL/.

  --models              ${['bicubic', ...MODEL_IDS].join(', ')}
  --seed N              of diffusion models (default 0)
  --device cpu | cuda
  --models-directory DIR   where built models are (default: MODELS_DIR, else models)
  --metric ID=FILE      an ONNX file for ${Object.keys(LEARNED_METRICS).join(', ')}; may be repeated
  --metric ID=BACKBONE,WEIGHTS   of lpips and dists: torchvision's VGG-16 (or, of lpips, AlexNet) and the published weights
                        of the metric, as checkpoints that PyTorch 1.6 or later has saved, or safetensors
  --metrics-directory DIR  or all ONNX files in a folder, as ID.onnx

PSNR, SSIM, NIQE and BRISQUE are built in. A network of --metric has
${LEARNED_CONTRACT}.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      hr: { type: 'string' },
      lr: { type: 'string' },
      models: { type: 'string' },
      out: { type: 'string' },
      seed: { type: 'string', default: '0' },
      device: { type: 'string', default: 'cpu' },
      'models-directory': { type: 'string', default: process.env.MODELS_DIR || 'models' },
      metric: { type: 'string', multiple: true, default: [] },
      'metrics-directory': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(USAGE);
  const { hr, lr, models, out } = values;
  if (!hr || !lr || !models || !out) {
    throw new AppError('invalid', `--hr, --lr, --models and --out are needed.\n\n${USAGE}`);
  }
  const device = readDevice(values.device);
  const seed = readSeed(values.seed);
  const candidates = parseCandidates(models);
  const pairs = await findPairs(hr, lr);
  await checkSizes(pairs);
  const networks = await findLearned(values.metric, values['metrics-directory']);
  const modelsDirectory = resolve(values['models-directory']);
  const installed = await listInstalled(modelsDirectory);
  await mkdir(out, { recursive: true });

  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new AppError('conflict', 'Stopped.')));
  const log = createLog('warn', (line) => process.stderr.write(`${line}\n`));
  const meter = await createMeter(networks, device);
  const engine = createEngine({ device, modelsDirectory, log });
  try {
    const onImage = (model: string, name: string) => process.stderr.write(`${model}: ${name}\n`);
    const places = { pairs, outputDirectory: out, signal: stop.signal, onImage };
    const results = await evaluate({ ...places, candidates, installed, engine, meter, seed });
    await report(out, pairs, meter.metrics, results, {
      pairs: pairs.length,
      seed,
      device,
      notMeasured: without(networks),
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

function without(networks: ReadonlyMap<LearnedMetricId, unknown>): string[] {
  const ids = Object.keys(LEARNED_METRICS) as LearnedMetricId[];
  return ids.filter((id) => !networks.has(id)).map((id) => LEARNED_METRICS[id].label);
}

function readDevice(device: string): Device {
  if (device === 'cpu' || device === 'cuda') return device;
  throw new AppError('invalid', `--device ${device}: it is cpu or cuda.`);
}

function readSeed(seed: string): number {
  if (/^\d+$/.test(seed) && Number(seed) < 2 ** 32) return Number(seed);
  throw new AppError('invalid', `--seed ${seed}: it is a whole number from 0 to 4294967295.`);
}

function print(text: string): void {
  process.stdout.write(text);
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
