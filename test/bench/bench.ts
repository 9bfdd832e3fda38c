/** One table of a bench: its measurements, a row for each case. */
export interface BenchTable {
  /** One line: the subject of the rows. */
  title: string;
  /** The same columns in each row; figures with their unit in the column's name. */
  rows: Record<string, string | number>[];
  /** The way of measuring, and its limits; goes into the document. */
  note?: string;
}

export interface BenchOptions {
  /** The form whose results are published: more jobs, more files, more time. */
  long: boolean;
  /** The words behind the name on the command line, for options of one bench; without `--long`. */
  arguments: string[];
}

/** Measures and gives its tables; asserts nothing about times. Throws, or sets the exit code, where something broke. */
export type Bench = (options: BenchOptions) => Promise<BenchTable[]>;
