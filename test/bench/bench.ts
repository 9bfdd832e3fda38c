import { wholeNumber } from '../../shared/adapters/node/command.ts';
import type { Values } from '../../shared/adapters/node/command-line.ts';

/** One table of a bench: its measurements, a row for each case. */
export interface BenchTable {
  /** One line: the subject of the rows. */
  title: string;
  /** The same columns in each row; figures with their unit in the column's name. */
  rows: Record<string, string | number>[];
  /** The way of measuring, and its limits; goes into the document. */
  note?: string;
}

/** Options of one bench beside `--long`; each has a value. */
type Declared = Readonly<Record<string, { value: string; about: string }>>;

export interface BenchOptions<Own extends Declared = Declared> {
  /** The form whose results are published: more jobs, more files, more time. */
  long: boolean;
  values: Values<Own>;
}

/** The file of a bench. */
export interface Bench {
  options?: Declared;
  /** Measures and gives its tables; asserts nothing about times. Throws, or sets the exit code, where something broke. */
  run(options: BenchOptions): Promise<BenchTable[]>;
}

/** An option of benches that draw. */
export const SEED = { value: 'N', about: 'repeat the run of this seed' } as const;
const LARGEST_SEED = 2 ** 32 - 1;

/** Without `value` any. */
export function readSeed(value: string | undefined): number {
  return value === undefined ? Date.now() % 1_000_000 : wholeNumber('seed', value, LARGEST_SEED);
}

/** How many, up to a milliard. */
export function readCount(option: string, value: string | undefined, usual: number): number {
  return value === undefined ? usual : wholeNumber(option, value, 1e9);
}
