import type { MethodId } from '../../shared/methods/registry.ts';
import type { RecordedCase } from '../support/recorded-case.ts';
import type { Computed } from './computed.ts';

/** How the cases of one set are computed. */
export interface OpenSystem extends AsyncDisposable {
  /** By kind of case. */
  kinds: Readonly<Record<string, (recorded: RecordedCase) => Promise<Computed>>>;
}

/** How sets of a system are computed. */
export interface Parity {
  /** Folder of its set below `test/fixtures`, where it is not of the system's name. */
  place?: string;
  /** Checkpoints that its cases use without naming them. */
  uses?: readonly string[];
  /** Which methods of the product it is about. */
  methods?: readonly MethodId[];
  /** Its set takes long as a whole; other tests compute it part by part. */
  isLong?: true;
  open(folder: string): OpenSystem;
  /** Kinds of cases that run networks of a method and little else: devices are tried with them. */
  networks?: readonly string[];
  /** Of a case that does not say it: by its recorded values. */
  kindOf?(recorded: RecordedCase): string | undefined;
  /** Names of outputs without their numbers, in the order of the computation; else that of the set. */
  blocks?: readonly string[];
}
