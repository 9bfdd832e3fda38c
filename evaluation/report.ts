import type { CandidateResult } from './evaluate.ts';
import { METRICS, type MetricId, type Values } from './measure.ts';

const DIGITS: Partial<Record<MetricId, number>> = { psnr: 2, niqe: 3, brisque: 2, musiq: 2, fid: 2 };
const ARROW = { higher: '↑', lower: '↓' } as const;

/** What a table is of. */
export interface Facts {
  pairs: number;
  seed: number;
  device: string;
  /** Metrics without a network. */
  notMeasured: string[];
}

/** Means of all models; the best of each metric is bold. */
export function toMarkdown(metrics: readonly MetricId[], results: readonly CandidateResult[], facts: Facts): string {
  const heads = metrics.map((id) => `${METRICS[id].label} ${ARROW[METRICS[id].better]}`);
  const rows = results.map(({ model, means }) => {
    const cells = metrics.map((id) => {
      const text = format(id, means[id]);
      return results.length > 1 && isBest(id, means, results) ? `**${text}**` : text;
    });
    return line([model, ...cells]);
  });
  const notes = [
    `${facts.pairs} ${facts.pairs === 1 ? 'picture' : 'pictures'}, seed ${facts.seed}, ${facts.device}. PSNR and SSIM on the luminance (BT.601, limited range), without 4 pixels of each border.`,
    ...(facts.notMeasured.length > 0 ? [`Not measured, for want of a network: ${facts.notMeasured.join(', ')}.`] : []),
    ...(results.some(({ means }) => metrics.some((id) => means[id] === null))
      ? ['–: at least one picture has no such value (NIQE needs two blocks of 96×96 with contrast, FID two pictures).']
      : []),
  ];
  const table = [line(['model', ...heads]), line(['---', ...metrics.map(() => '---:')]), ...rows];
  return `${table.join('\n')}\n\n${notes.join('\n')}\n`;
}

/** One line a picture and model; an empty field where there is no value. */
export function toCsv(metrics: readonly MetricId[], results: readonly CandidateResult[]): string {
  const perImage = metrics.filter((id) => id !== 'fid');
  const lines = results.flatMap(({ model, images }) =>
    images.map(({ name, values }) => [model, quote(name), ...perImage.map((id) => values[id] ?? '')].join(',')),
  );
  return `${[['model', 'image', ...perImage].join(','), ...lines].join('\n')}\n`;
}

export function toJson(metrics: readonly MetricId[], results: readonly CandidateResult[], facts: Facts): string {
  const described = metrics.map((id) => ({ id, ...METRICS[id] }));
  return `${JSON.stringify({ ...facts, metrics: described, models: results }, null, 2)}\n`;
}

function format(id: MetricId, value: number | null | undefined): string {
  return typeof value === 'number' ? value.toFixed(DIGITS[id] ?? 4) : '–';
}

function isBest(id: MetricId, means: Values, results: readonly CandidateResult[]): boolean {
  const known = results.map(({ means }) => means[id]).filter((value) => typeof value === 'number');
  const best = METRICS[id].better === 'higher' ? Math.max(...known) : Math.min(...known);
  return means[id] === best;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** RFC 4180. */
function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
