import { mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { runCommand, usageError } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { writeContactSheet } from './contact-sheet.ts';
import { evaluate } from './evaluate.ts';
import { METRICS } from './metrics/registry.ts';
import { EVALUATION_OPTIONS, METRICS_HELP, planEvaluation } from './open-evaluation.ts';
import { checkSizes, findPairs, type Pair } from './pairs.ts';
import { findPublished, notePublished, type PublishedSet } from './published-numbers.ts';
import { openRecords } from './records.ts';
import { type TableSet, tableCsv, tableLatex, tableMarkdown } from './table-report.ts';

const OPTIONS = {
  hr: {
    value: '[NAME=]DIR',
    about: 'the ground truth of a data set; without a name it has that of the folder',
    multiple: true,
  },
  lr: { value: 'DIR', about: 'its photos: as many times as --hr, in the same order', multiple: true },
  out: {
    value: 'DIR',
    about: 'where table2.{md,csv,tex,json} go, and for each data set its results and contact-sheet.jpg',
  },
  ...EVALUATION_OPTIONS,
  protocol: { ...EVALUATION_OPTIONS.protocol, default: 'paper' },
} as const;

type Plan = Awaited<ReturnType<typeof planEvaluation>>;

async function makeTable(values: Values<typeof OPTIONS>): Promise<void> {
  const { hr, lr, out } = values;
  if (hr.length === 0 || hr.length !== lr.length || !out)
    throw usageError('--out, and --hr and --lr of each data set, are needed');
  const plan = await planEvaluation(values);
  const sets = hr.map((truths, index) => ({ ...readSet(truths), photos: lr[index]! }));
  const twice = sets.find(({ name }, index) => sets.findIndex((set) => set.name === name) < index);
  if (twice) throw usageError(`two data sets have the name ${twice.name}; give another: --hr NAME=${twice.truths}`);
  const found = [];
  for (const set of sets) {
    const pairs = await findPairs(set.truths, set.photos);
    await checkSizes(pairs, plan.scale, plan.limits);
    found.push({ ...set, pairs, known: await knownSet(pairs, plan) });
  }
  const files = await describeFiles(plan.files);
  const { engine, meter, signal, close } = await plan.open();
  try {
    const { seed, steps, protocol } = plan;
    const table: TableSet[] = [];
    for (const { name, truths, photos, pairs, known } of found) {
      const outputDirectory = join(out, name);
      await mkdir(outputDirectory, { recursive: true });
      const places = { truths: resolve(truths), photos: resolve(photos) };
      const facts = { ...places, seed, steps, protocol, files, device: engine.name };
      const records = await openRecords(join(outputDirectory, 'records'), facts);
      const onImage = (model: string, image: string) => process.stderr.write(`${name}, ${model}: ${image}\n`);
      const rows = await evaluate({ ...plan, pairs, outputDirectory, records, signal, onImage, engine, meter });
      table.push({ name, pairs: pairs.length, rows, published: known?.rows });
      const columns = ['input', ...rows.map(({ model }) => model), 'ground truth'];
      const paths = pairs.map(({ inputPath, truthPath }, index) => {
        return { paths: [inputPath, ...rows.map(({ images }) => images[index]!.path), truthPath] };
      });
      await writeContactSheet(join(outputDirectory, 'contact-sheet.jpg'), columns, paths);
    }
    const counts = table.map(({ name, pairs }) => `${name} ${pairs}`).join(', ');
    const missing = METRICS.filter(({ id }) => !meter.metrics.includes(id)).map(({ label }) => label);
    const notes = [
      `Pictures: ${counts}. Seed ${seed}${steps === undefined ? '' : `, ${steps} steps`}, ${engine.name}. Compared: ${protocol.about}.`,
      ...found.flatMap(({ name, known }) => (known ? [notePublished(name, known)] : [])),
      ...(missing.length > 0 ? [`Not measured, for want of their files: ${missing.join(', ')}.`] : []),
    ];
    const markdown = tableMarkdown(table, meter.metrics, notes);
    await writeFile(join(out, 'table2.md'), markdown);
    await writeFile(join(out, 'table2.csv'), tableCsv(table, meter.metrics));
    await writeFile(join(out, 'table2.tex'), tableLatex(table, meter.metrics, notes));
    await writeFile(
      join(out, 'table2.json'),
      `${JSON.stringify({ notes, metrics: meter.metrics, sets: table }, null, 2)}\n`,
    );
    process.stdout.write(markdown);
  } finally {
    await close();
  }
}

/** The name is that of a folder of results too. */
function readSet(given: string): { name: string; truths: string } {
  const named = /^(\w[\w.-]*)=(.+)$/.exec(given);
  return named ? { name: named[1]!, truths: named[2]! } : { name: basename(resolve(given)), truths: given };
}

/** Published numbers stand beside a table only where it restores and compares as their paper does. */
async function knownSet(pairs: Pair[], { steps, protocol, limits }: Plan): Promise<PublishedSet | undefined> {
  return steps === undefined && protocol.arithmetic === 'pyiqa' ? await findPublished(pairs, limits) : undefined;
}

/** Numbers of other files are not those of a run that goes on. */
async function describeFiles(files: ReadonlyMap<string, readonly string[]>) {
  const described: Record<string, { path: string; bytes: number }[]> = {};
  for (const [id, paths] of files) {
    const sizes = paths.map(async (path) => ({ path: resolve(path), bytes: (await stat(path)).size }));
    described[id] = await Promise.all(sizes);
  }
  return described;
}

runCommand({
  name: 'table2',
  usage: ['--hr [NAME=]DIR --lr DIR [--hr [NAME=]DIR --lr DIR …] --models A,B --out DIR [options]'],
  about: `
Restores the photos of several data sets by every model, measures all results and writes one table of methods and metrics,
as Table 2 of the SeeSR paper is. The best of each column is bold, the second best underlined. Where a set is one of that
table, numbers published for it stand below. A run that was interrupted goes on where it ended, when it is called again with
the same options. ${METRICS_HELP}`,
  options: OPTIONS,
  run: makeTable,
});
