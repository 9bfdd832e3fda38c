import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchTable } from './bench.ts';
import { BENCHES } from './benches.ts';
import type { Machine } from './machine.ts';

const RESULTS_DIRECTORY = fileURLToPath(new URL('../../docs/benchmarks', import.meta.url));
export const DOCUMENT = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

/** One run of one bench, as it is kept. */
export interface BenchResult {
  name: string;
  /** When it began, ISO 8601. */
  date: string;
  commit: string;
  /** Whether files differed from the commit. */
  modified: boolean;
  /** Beside `--long`. */
  arguments: string[];
  machine: Machine;
  seconds: number;
  /** Whether the bench said that something broke. */
  broke: boolean;
  tables: BenchTable[];
}

const INTRODUCTION = `# Benchmarks

Made by \`npm run bench -- --render\` from the files in \`docs/benchmarks\`, which \`npm run bench -- --long\` wrote: change
neither by hand. \`npm run bench\` runs the short forms of all benches and keeps nothing; \`npm run bench -- NAME\` runs one.
No figure is asserted anywhere: another machine has others. Compare ratios, and figures of one run.
`;

/** Replaces the earlier result of the bench. */
export async function saveResult(result: BenchResult): Promise<void> {
  await mkdir(RESULTS_DIRECTORY, { recursive: true });
  await writeFile(join(RESULTS_DIRECTORY, `${result.name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(DOCUMENT, renderDocument(await readResults()));
}

export async function readResults(): Promise<BenchResult[]> {
  const files = (await readdir(RESULTS_DIRECTORY)).filter((file) => file.endsWith('.json'));
  return Promise.all(
    files.map(async (file) => JSON.parse(await readFile(join(RESULTS_DIRECTORY, file), 'utf8')) as BenchResult),
  );
}

/** The document, in Markdown: the same for the same results. */
export function renderDocument(results: readonly BenchResult[]): string {
  const byName = new Map(results.map((result) => [result.name, result]));
  const contents = Object.entries(BENCHES).map(([name, { claim }]) => {
    const result = byName.get(name);
    return { bench: `[${name}](#${name})`, claim, measured: result ? day(result) : 'not yet' };
  });
  const sections = Object.entries(BENCHES).map(([name, { claim }]) => section(name, claim, byName.get(name)));
  return [INTRODUCTION, markdownTable(contents), ...sections].join('\n');
}

function section(name: string, claim: string, result: BenchResult | undefined): string {
  const command = ['npm run bench --', name, '--long', ...(result?.arguments ?? [])].join(' ');
  const head = `## ${name}\n\n${claim}\n\n\`\`\`\n${command}\n\`\`\`\n`;
  if (!result) return `${head}\nNot measured yet.\n`;
  const { commit, modified, machine, seconds, broke, tables } = result;
  const { cpu, cores, memoryGigabytes, system, node, onnxRuntime } = machine;
  const facts = [
    `${day(result)}, commit ${commit}${modified ? ' with changes that were not committed' : ''}`,
    `${duration(seconds)} on ${cpu}, ${cores} cores, ${memoryGigabytes} GB, ${system}`,
    `Node ${node}, ONNX Runtime ${onnxRuntime}`,
  ];
  const verdict = broke ? ['\n**Something broke in this run.**\n'] : [];
  return [head, `${facts.join(' · ')}.\n`, ...verdict, ...tables.map(tableSection)].join('\n');
}

function tableSection({ title, rows, note }: BenchTable): string {
  return `**${oneLine(title)}**\n\n${markdownTable(rows)}${note === undefined ? '' : `\n${note}\n`}`;
}

/** Columns in the order in which rows bring them; figures to the right. */
function markdownTable(rows: BenchTable['rows']): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const rule = columns.map((column) => (rows.every((row) => isFigure(row[column])) ? '---:' : '---'));
  const body = rows.map((row) => columns.map((column) => oneLine(String(row[column] ?? ''))));
  return [columns.map(oneLine), rule, ...body].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function isFigure(value: string | number | undefined): boolean {
  return typeof value !== 'string' || /^[-+]?[\d.,]+( ?%)?$/.test(value);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[|<]/g, '\\$&');
}

function day({ date }: BenchResult): string {
  return date.slice(0, 'yyyy-mm-dd'.length);
}

function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
