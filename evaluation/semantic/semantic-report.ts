import { toCsvLine, toTable } from '../report.ts';
import type { AveragePrecision } from './average-precision.ts';
import type { SemanticResult } from './evaluate-semantic.ts';
import type { Quality } from './panoptic-quality.ts';

/** The subject of a table. */
export interface SemanticFacts {
  pictures: number;
  /** In the ground truth. */
  annotated: number;
  network?: string;
  /** That the network ran on. */
  device?: string;
}

type Value = number | null | undefined;
type Column = [label: string, value: (result: SemanticResult) => Value];

const precision = (of: 'boxes' | 'masks'): Column[] => {
  const parts = {
    AP: 'ap',
    AP50: 'ap50',
    AP75: 'ap75',
    'AP small': 'small',
    'AP medium': 'medium',
    'AP large': 'large',
  } as const;
  return Object.entries(parts).map(([label, part]) => [
    label,
    (result) => (result[of] as AveragePrecision | undefined)?.[part],
  ]);
};
const quality = (suffix: string, of: 'all' | 'things' | 'stuff'): Column[] =>
  (['pq', 'sq', 'rq'] as const).map((part) => [
    `${part.toUpperCase()}${suffix}`,
    (result) => (result.panoptic?.[of] as Quality | undefined)?.[part],
  ]);

/** The first is that of the paper. */
const TABLES: { title: string; columns: Column[] }[] = [
  {
    title: 'All tasks',
    columns: [
      ['AP boxes', ({ boxes }) => boxes?.ap],
      ['AP masks', ({ masks }) => masks?.ap],
      ['PQ', ({ panoptic }) => panoptic?.all.pq],
      ['mIoU', ({ semantic }) => semantic?.miou],
    ],
  },
  { title: 'Boxes', columns: precision('boxes') },
  { title: 'Masks', columns: precision('masks') },
  {
    title: 'Panoptic segments',
    columns: [...quality('', 'all'), ...quality(' things', 'things'), ...quality(' stuff', 'stuff')],
  },
];

/** In percent, the best of each column bold; tables without a measurement are left out. */
export function toMarkdown(results: readonly SemanticResult[], facts: SemanticFacts): string {
  const measured = TABLES.filter(({ columns }) =>
    columns.some(([, value]) => results.some((one) => value(one) !== undefined)),
  );
  const parts = measured.map(({ title, columns }) => {
    const heads = columns.map(([label]) => ({ label, better: 'higher' as const, digits: 1 }));
    const rows = results.map((result) => ({
      name: result.name,
      values: columns.map(([, value]) => percent(value(result))),
    }));
    return `### ${title}\n\n${toTable(heads, rows)}\n`;
  });
  const share = facts.pictures === facts.annotated ? '' : ` of the ${facts.annotated} that are annotated`;
  const by = facts.network === undefined ? 'results of other programs' : `${facts.network}, ${facts.device}`;
  const notes = `${facts.pictures} ${facts.pictures === 1 ? 'picture' : 'pictures'}${share}; ${by}. In percent. –: not measured, or without such objects.`;
  return `${parts.join('\n')}\n${notes}\n`;
}

/** One line a candidate and category; empty where there is no value, all in 0..1. */
export function toCsv(results: readonly SemanticResult[], names: ReadonlyMap<number, string>): string {
  const lines = results.flatMap(({ name, boxes, masks, panoptic, semantic }) => {
    const maps = [boxes?.byCategory, masks?.byCategory, panoptic?.byCategory, semantic?.byCategory];
    const ids = [...new Set(maps.flatMap((map) => [...(map?.keys() ?? [])]))].sort((a, b) => a - b);
    return ids.map((id) => {
      const segments = panoptic?.byCategory.get(id);
      const values = [boxes?.byCategory.get(id), masks?.byCategory.get(id), segments?.pq, segments?.sq, segments?.rq];
      const cells = [...values, semantic?.byCategory.get(id)].map((value) => String(value ?? ''));
      return toCsvLine([name, String(id), names.get(id) ?? '', ...cells]);
    });
  });
  return `${['model,category_id,category,ap_boxes,ap_masks,pq,sq,rq,iou', ...lines].join('\n')}\n`;
}

export function toJson(results: readonly SemanticResult[], facts: SemanticFacts): string {
  const plain = (_: string, value: unknown) => (value instanceof Map ? Object.fromEntries(value) : value);
  return `${JSON.stringify({ ...facts, models: results }, plain, 2)}\n`;
}

function percent(value: Value): Value {
  return typeof value === 'number' ? 100 * value : value;
}
