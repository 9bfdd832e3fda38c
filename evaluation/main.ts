import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, usageError } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { writeContactSheet } from './contact-sheet.ts';
import { type CandidateResult, evaluate } from './evaluate.ts';
import { METRICS, type MetricId } from './metrics/registry.ts';
import { EVALUATION_OPTIONS, METRICS_HELP, planEvaluation } from './open-evaluation.ts';
import { checkSizes, findPairs, type Pair } from './pairs.ts';
import { type Facts, toCsv, toJson, toMarkdown } from './report.ts';

const OPTIONS = {
  hr: { value: 'DIR', about: 'the ground truth' },
  lr: { value: 'DIR', about: 'the photos' },
  out: { value: 'DIR', about: 'where table.md, images.csv, results.json, contact-sheet.jpg and results/MODEL/ go' },
  ...EVALUATION_OPTIONS,
} as const;

async function evaluateModels(values: Values<typeof OPTIONS>): Promise<void> {
  const { hr, lr, models, out } = values;
  if (!hr || !lr || !models || !out) throw usageError('--hr, --lr, --models and --out are needed');
  const plan = await planEvaluation(values);
  const pairs = await findPairs(hr, lr);
  await checkSizes(pairs, plan.scale, plan.limits);
  await mkdir(out, { recursive: true });
  const { engine, meter, signal, close } = await plan.open();
  try {
    const onImage = (model: string, name: string) => process.stderr.write(`${model}: ${name}\n`);
    const results = await evaluate({ ...plan, pairs, outputDirectory: out, signal, onImage, engine, meter });
    await report(out, pairs, meter.metrics, results, {
      pairs: pairs.length,
      seed: plan.seed,
      steps: plan.steps,
      device: engine.name,
      protocol: plan.protocol.about,
      notMeasured: without(meter.metrics),
    });
  } finally {
    await close();
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

function print(text: string): void {
  process.stdout.write(text);
}

runCommand({
  name: 'evaluate',
  usage: ['--hr DIR --lr DIR --models A,B --out DIR [options]'],
  about: `
Restores the photos of --lr by every model and measures the results against --hr: the pictures of the same names without
ending, exactly as many times as large as all of the models make photos (4, but for some that were added). ${METRICS_HELP}`,
  options: OPTIONS,
  run: evaluateModels,
});
