import { readFile } from 'node:fs/promises';
import { readImageHeader } from '../shared/image-format.ts';
import type { Limits } from '../shared/limits.ts';
import type { MetricId } from './metrics/registry.ts';
import type { Pair } from './pairs.ts';
import type { TableRow } from './table-report.ts';

/** A data set of Table 2 of the SeeSR paper (arXiv 2311.16518), as StableSR published it (Iceclear/StableSR-TestSets). */
export interface PublishedSet {
  name: string;
  pictures: number;
  /** Of the file names without ending, where they are known. */
  names?: RegExp;
  rows: readonly TableRow[];
}

/** The truths are squares of so many pixels. Other cuts of the same photos have other numbers. */
const SIDE = 512;

const METRICS = ['psnr', 'ssim', 'lpips', 'dists', 'fid', 'niqe', 'musiq', 'maniqa', 'clipiqa'] as const;

/**
 * Source: the tables in the README of github.com/jiaqixuac/FlowSR (commit afe12391), the page of a paper of ICCV 2025 that quotes
 * them; FID and NIQE have two decimals there. Of SeeSR, PSNR and SSIM on DRealSR are also told, as those of its paper, in
 * issue 60 of cswry/SeeSR. The other methods of Table 2 (BSRGAN, Real-ESRGAN, LDL, DASR, FeMaSR, LDM, DiffBIR) are not quoted
 * there, PASD on one set only.
 */
export const PUBLISHED_SETS: readonly PublishedSet[] = [
  {
    name: 'DIV2K-Val',
    pictures: 3000,
    rows: [
      row('StableSR', 23.26, 0.5726, 0.3113, 0.2048, 24.44, 4.76, 65.92, 0.6192, 0.6771),
      row('ResShift', 24.65, 0.6181, 0.3349, 0.2213, 36.11, 6.82, 61.09, 0.5454, 0.6071),
      row('PASD', 23.14, 0.5505, 0.3571, 0.2207, 29.2, 4.36, 68.95, 0.6483, 0.6788),
      row('SeeSR', 23.68, 0.6043, 0.3194, 0.1968, 25.9, 4.81, 68.67, 0.624, 0.6936),
    ],
  },
  {
    name: 'RealSR',
    pictures: 100,
    names: /^(Canon|Nikon)_\d{3}_LR4$/,
    rows: [
      row('StableSR', 24.7, 0.7085, 0.3018, 0.2288, 128.51, 5.91, 65.78, 0.6221, 0.6178),
      row('ResShift', 26.31, 0.7421, 0.346, 0.2498, 141.71, 7.26, 58.43, 0.5285, 0.5444),
      row('SeeSR', 25.18, 0.7216, 0.3009, 0.2223, 125.55, 5.41, 69.77, 0.6442, 0.6612),
    ],
  },
  {
    name: 'DRealSR',
    pictures: 93,
    names: /^((Canon|DSC|IMG|panasonic|sony)_|P)\d+_x1$/,
    rows: [
      row('StableSR', 28.03, 0.7536, 0.3284, 0.2269, 148.98, 6.52, 58.51, 0.5601, 0.6356),
      row('ResShift', 28.46, 0.7673, 0.4006, 0.2656, 172.26, 8.12, 50.6, 0.4586, 0.5342),
      row('SeeSR', 28.17, 0.7691, 0.3189, 0.2315, 147.39, 6.4, 64.93, 0.6042, 0.6804),
    ],
  },
];

/** In the order of `METRICS`. */
function row(model: string, ...values: number[]): TableRow {
  const means: Partial<Record<MetricId, number>> = Object.fromEntries(METRICS.map((id, index) => [id, values[index]]));
  return { model, means };
}

/** Known by the number of its pictures, their names and the size of all truths. Throws AppError for a damaged truth. */
export async function findPublished(pairs: readonly Pair[], limits: Limits): Promise<PublishedSet | undefined> {
  const found = PUBLISHED_SETS.find(
    ({ pictures, names }) => pairs.length === pictures && pairs.every(({ name }) => names?.test(name) ?? true),
  );
  if (!found) return undefined;
  for (const { truthPath } of pairs) {
    const { width, height } = readImageHeader(await readFile(truthPath), limits);
    if (width !== SIDE || height !== SIDE) return undefined;
  }
  return found;
}

/** Below a table that has rows of `published`. */
export function notePublished(set: string, { name, pictures, names, rows }: PublishedSet): string {
  const known = `${pictures} truths of ${SIDE}×${SIDE} pixels${names ? ' with its file names' : ''}`;
  return (
    `${set} is taken for ${name} of the SeeSR paper (it has ${known}): the rows "${set}, published" are the numbers of ` +
    `${rows.map(({ model }) => model).join(', ')} that github.com/jiaqixuac/FlowSR quotes; other methods of the paper are not quoted there. ` +
    'They differ from the rows above in this: every method ran in the program of its authors, with other noise; MANIQA saw crops ' +
    'drawn at random; FID and NIQE were rounded to two decimals.'
  );
}
