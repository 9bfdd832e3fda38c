import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TrainingMeasurements } from './training-case.ts';

const execute = promisify(execFile);
const CASE = fileURLToPath(new URL('./training-case.ts', import.meta.url));

type Measured<Kind extends keyof TrainingMeasurements> = Awaited<ReturnType<TrainingMeasurements[Kind]>>;

/** A measurement of training-case.ts in a process of its own, and the peak of its memory. */
export async function measureTraining<Kind extends keyof TrainingMeasurements>(
  kind: Kind,
  given: Parameters<TrainingMeasurements[Kind]>[0],
): Promise<Measured<Kind> & { peakBytes: number }> {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify([kind, given])]);
  return JSON.parse(stdout) as Measured<Kind> & { peakBytes: number };
}
