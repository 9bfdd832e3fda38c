import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine } from '../gpu-worker/engine.ts';
import { listInstalled } from '../gpu-worker/models/installed.ts';
import { AppError } from '../shared/error.ts';
import { createLog } from '../shared/log.ts';
import { MODEL_IDS } from '../shared/models.ts';
import { writeContactSheet } from './contact-sheet.ts';
import { evaluate, parseCandidates } from './evaluate.ts';
import { createMeter } from './measure.ts';
import { findLearned, LEARNED_CONTRACT, LEARNED_METRICS, type LearnedMetricId } from './metrics/learned.ts';
import { findPairs } from './pairs.ts';
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
  const { hr, lr, models, out, device } = values;
  if (!hr || !lr || !models || !out)
    throw new AppError('invalid', `--hr, --lr, --models and --out are needed.\n\n${USAGE}`);
  if (device !== 'cpu' && device !== 'cuda') throw new AppError('invalid', `--device ${device}: it is cpu or cuda.`);
  const seed = Number(values.seed);
  if (!/^\d+$/.test(values.seed) || seed >= 2 ** 32)
    throw new AppError('invalid', `--seed ${values.seed}: 0 to 2³² − 1.`);
  const candidates = parseCandidates(models);
  const pairs = await findPairs(hr, lr);
  const networks = await findLearned(values.metric, values['metrics-directory']);
  const missing = (Object.keys(LEARNED_METRICS) as LearnedMetricId[]).filter((id) => !networks.has(id));
  const facts: Facts = {
    pairs: pairs.length,
    seed,
    device,
    notMeasured: missing.map((id) => LEARNED_METRICS[id].label),
  };
  const modelsDirectory = resolve(values['models-directory']);
  const installed = await listInstalled(modelsDirectory);
  await mkdir(out, { recursive: true });

  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new AppError('conflict', 'Stopped.')));
  const log = createLog('warn', (line) => process.stderr.write(`${line}\n`));
  const engine = createEngine({ device, modelsDirectory, log });
  const meter = await createMeter(networks, device);
  try {
    const results = await evaluate({
      pairs,
      candidates,
      installed,
      engine,
      meter,
      seed,
      outputDirectory: out,
      signal: stop.signal,
      onImage: (model, name) => process.stderr.write(`${model}: ${name}\n`),
    });
    await writeFile(join(out, 'results.json'), toJson(meter.metrics, results, facts));
    await writeFile(join(out, 'images.csv'), toCsv(meter.metrics, results));
    const rows = pairs.map(({ inputPath, truthPath }, index) => ({
      paths: [inputPath, ...results.map(({ images }) => images[index]!.path), truthPath],
    }));
    const columns = ['input', ...candidates, 'ground truth'];
    await writeContactSheet(join(out, 'contact-sheet.jpg'), columns, rows);
    const table = toMarkdown(meter.metrics, results, facts);
    await writeFile(join(out, 'table.md'), table);
    print(table);
  } finally {
    await engine.close();
    await meter.release();
  }
}

function print(text: string): void {
  process.stdout.write(text);
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
