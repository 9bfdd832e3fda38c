import type { CandidateResult } from './evaluate.ts';
import { type MetricId, metricOf } from './metrics/registry.ts';

const ARROW = { higher: '↑', lower: '↓' } as const;

/** The subject of a table. */
export interface Facts {
  pairs: number;
  seed: number;
  /** That were asked for of models that have them. */
  steps: number | undefined;
  device: string;
  /** How pictures were compared, in words. */
  protocol: string;
  /** Metrics without a network. */
  notMeasured: string[];
}

/** Means of all models; the best of each metric is bold. */
export function toMarkdown(metrics: readonly MetricId[], results: readonly CandidateResult[], facts: Facts): string {
  const columns = metrics.map(metricOf);
  const rows = results.map(({ model, means }) => ({ name: model, values: metrics.map((id) => means[id]) }));
  const notes = [
    `${facts.pairs} ${facts.pairs === 1 ? 'picture' : 'pictures'}, seed ${facts.seed}${facts.steps === undefined ? '' : `, ${facts.steps} steps`}, ${facts.device}. Compared: ${facts.protocol}.`,
    ...(facts.notMeasured.length > 0 ? [`Not measured, for want of a network: ${facts.notMeasured.join(', ')}.`] : []),
    ...(results.some(({ means }) => metrics.some((id) => means[id] === null))
      ? ['–: at least one picture has no such value (NIQE needs two blocks of 96×96 with contrast, FID two pictures).']
      : []),
  ];
  return `${toTable(columns, rows)}\n\n${notes.join('\n')}\n`;
}

/** One line a picture and model; an empty field where there is no value. */
export function toCsv(metrics: readonly MetricId[], results: readonly CandidateResult[]): string {
  const perImage = metrics.filter((id) => metricOf(id).looksAt !== 'set');
  const lines = results.flatMap(({ model, images }) =>
    images.map(({ name, values }) => toCsvLine([model, name, ...perImage.map((id) => String(values[id] ?? ''))])),
  );
  return `${[['model', 'image', ...perImage].join(','), ...lines].join('\n')}\n`;
}

export function toJson(metrics: readonly MetricId[], results: readonly CandidateResult[], facts: Facts): string {
  const described = metrics.map((id) => ({ id, label: metricOf(id).label, better: metricOf(id).better }));
  return `${JSON.stringify({ ...facts, metrics: described, models: results }, null, 2)}\n`;
}

interface Column {
  label: string;
  better: 'higher' | 'lower';
  digits: number;
}

interface Row {
  name: string;
  /** Null or undefined where there is none. */
  values: readonly (number | null | undefined)[];
}

/** In Markdown; of several rows the best of each column is bold. */
export function toTable(columns: readonly Column[], rows: readonly Row[]): string {
  const best = columns.map(({ better }, index) => {
    const known = rows.map(({ values }) => values[index]).filter((value) => typeof value === 'number');
    return better === 'higher' ? Math.max(...known) : Math.min(...known);
  });
  const lines = rows.map(({ name, values }) => {
    const cells = columns.map(({ digits }, index) => {
      const value = values[index];
      const text = typeof value === 'number' ? value.toFixed(digits) : '–';
      return rows.length > 1 && value === best[index] ? `**${text}**` : text;
    });
    return line([name, ...cells]);
  });
  const heads = columns.map(({ label, better }) => `${label} ${ARROW[better]}`);
  return [line(['model', ...heads]), line(['---', ...columns.map(() => '---:')]), ...lines].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** RFC 4180. */
export function toCsvLine(fields: readonly string[]): string {
  const quoted = fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field));
  return quoted.join(',');
}
