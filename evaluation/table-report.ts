import type { Values } from './measure.ts';
import { type MetricId, metricOf } from './metrics/registry.ts';
import { toCsvLine } from './report.ts';

/** Of one method. */
export interface TableRow {
  model: string;
  means: Values;
}

/** Of one data set. */
export interface TableSet {
  name: string;
  pairs: number;
  rows: readonly TableRow[];
  /** Numbers of others for the same set: beside the measured ones, without a rank. */
  published?: readonly TableRow[];
}

type Rank = 'best' | 'second' | undefined;
interface Format {
  line(cells: readonly string[]): string;
  mark(text: string, rank: Rank): string;
}

const ARROWS = { higher: '↑', lower: '↓' };
const MARKDOWN: Format = {
  line: (cells) => `| ${cells.join(' | ')} |`,
  mark: (text, rank) => (rank === 'best' ? `**${text}**` : rank === 'second' ? `<u>${text}</u>` : text),
};
const LATEX: Format = {
  line: (cells) => `${cells.join(' & ')} \\\\`,
  mark: (text, rank) => (rank === 'best' ? `\\textbf{${text}}` : rank === 'second' ? `\\underline{${text}}` : text),
};

/** Methods × metrics of all sets, the best of each column and set bold, the second best underlined. */
export function tableMarkdown(
  sets: readonly TableSet[],
  metrics: readonly MetricId[],
  notes: readonly string[],
): string {
  const heads = ['data set', 'method', ...metrics.map((id) => `${metricOf(id).label} ${ARROWS[metricOf(id).better]}`)];
  const ruler = heads.map((_, index) => (index < 2 ? '---' : '---:'));
  const lines = [heads, ruler, ...sets.flatMap((set) => rowsOf(set, metrics, MARKDOWN))].map(MARKDOWN.line);
  return `${lines.join('\n')}\n\n${notes.join('\n')}\n`;
}

/** The same as a `tabular`, with the notes as comments. */
export function tableLatex(sets: readonly TableSet[], metrics: readonly MetricId[], notes: readonly string[]): string {
  const arrows = { higher: '$\\uparrow$', lower: '$\\downarrow$' };
  const heads = ['Data set', 'Method', ...metrics.map((id) => `${metricOf(id).label} ${arrows[metricOf(id).better]}`)];
  const bodies = sets.map((set) => {
    const rows = rowsOf(set, metrics, LATEX);
    return rows
      .map(([name = '', model = '', ...cells]) => LATEX.line([asLatex(name), asLatex(model), ...cells]))
      .join('\n');
  });
  return [
    ...notes.map((note) => `% ${note}`),
    `\\begin{tabular}{ll${'r'.repeat(metrics.length)}}`,
    '\\hline',
    ...[LATEX.line(heads), ...bodies].flatMap((part) => [part, '\\hline']),
    '\\end{tabular}',
    '',
  ].join('\n');
}

/** Names of folders and models may have characters that mean something there. */
function asLatex(name: string): string {
  return name.replaceAll(/[_&%#$]/g, '\\$&');
}

/** All digits, one line a method and set. */
export function tableCsv(sets: readonly TableSet[], metrics: readonly MetricId[]): string {
  const lines = sets.flatMap((set) =>
    blocksOf(set).flatMap(({ name, rows }) =>
      rows.map(({ model, means }) => toCsvLine([name, model, ...metrics.map((id) => String(means[id] ?? ''))])),
    ),
  );
  return `${[['set', 'model', ...metrics].join(','), ...lines].join('\n')}\n`;
}

/** The measured rows, and the published ones under a name that says so. */
function blocksOf({ name, rows, published }: TableSet): { name: string; rows: readonly TableRow[]; ranked: boolean }[] {
  const measured = { name, rows, ranked: true };
  return published ? [measured, { name: `${name}, published`, rows: published, ranked: false }] : [measured];
}

function rowsOf(set: TableSet, metrics: readonly MetricId[], { mark }: Format): string[][] {
  return blocksOf(set).flatMap(({ name, rows, ranked }) =>
    rows.map(({ model, means }) => {
      const cells = metrics.map((id) => {
        const value = means[id];
        if (typeof value !== 'number') return '–';
        return mark(value.toFixed(metricOf(id).digits), ranked ? rankOf(id, value, rows) : undefined);
      });
      return [name, model, ...cells];
    }),
  );
}

/** Equal values have one rank; a method alone has none. */
function rankOf(id: MetricId, value: number, rows: readonly TableRow[]): Rank {
  const known = [...new Set(rows.map(({ means }) => means[id]).filter((one) => typeof one === 'number'))];
  if (known.length < 2) return undefined;
  const sign = metricOf(id).better === 'higher' ? -1 : 1;
  const order = known.toSorted((a, b) => sign * (a - b));
  return value === order[0] ? 'best' : value === order[1] ? 'second' : undefined;
}
