import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { DevicePlace } from './device-places.ts';

/** A GPU that CUDA may show. */
export interface ListedGpu extends Pick<DevicePlace, 'index'> {
  /** As its driver calls it, where that can be had. */
  name?: string;
  /** Why `auto` leaves it alone, in a sentence. */
  obstacle?: string;
}

const ANSWER_MILLISECONDS = 10_000;

/** The names of all GPUs, by the program that comes with the driver; none where it does not answer. */
export async function namesOfGpus(): Promise<string[]> {
  const words = ['--query-gpu=name', '--format=csv,noheader'];
  const answer = await promisify(execFile)('nvidia-smi', words, { timeout: ANSWER_MILLISECONDS }).catch(
    () => undefined,
  );
  return (answer?.stdout ?? '').split('\n').filter((line) => line !== '');
}

/**
 * The GPUs to try, at least one. `visible`: of CUDA_VISIBLE_DEVICES, whoever sets it has chosen, and all of these count. Else all that
 * are equal: of GPUs that differ, one may drive the screen, and CUDA numbers them in an order of its own, the fastest first.
 */
export function listCuda(names: readonly string[], visible: string | undefined): ListedGpu[] {
  if (visible !== undefined) {
    const given = visible.split(',');
    const end = given.findIndex((word) => word.trim() === '' || word.trim() === '-1');
    const count = Math.max(1, end < 0 ? given.length : end);
    return Array.from({ length: count }, (_, index) => ({ index }));
  }
  const kinds = [...new Set(names)];
  if (kinds.length <= 1)
    return (names.length > 0 ? names : [undefined]).map((name, index) => ({ index, ...(name && { name }) }));
  const obstacle = `The GPUs differ (${kinds.join(', ')}): DEVICE or CUDA_VISIBLE_DEVICES names more than the first.`;
  return names.map((_, index) => ({ index, ...(index > 0 && { obstacle }) }));
}
