import { AppError } from '../shared/error.ts';
import { placeName } from './runtime/device-places.ts';
import { DEVICES } from './runtime/devices.ts';
import type { FoundDevice } from './runtime/find-devices.ts';

interface Chosen {
  devices: [FoundDevice, ...FoundDevice[]];
  /** A clause for each device that was left out before one was taken, or beside it. */
  why: string;
}

/**
 * All devices of the first kind of which any passes, and at most `most`. `found`: the best kind first. `check`: throws for a
 * device that cannot be used, or computes wrong. Throws AppError `engine-failed` where none passes, and all of `check` that
 * is not about the device.
 */
export async function chooseDevices(
  found: readonly FoundDevice[],
  check: (device: FoundDevice) => Promise<void>,
  most = Number.POSITIVE_INFINITY,
): Promise<Chosen> {
  const reasons = ['auto'];
  const passed: FoundDevice[] = [];
  for (const candidate of found) {
    const isAnother = passed.length > 0 && candidate.device !== passed[0]!.device;
    if (isAnother || passed.length === most) break;
    const { isSoftware, obstacle, name = 'it' } = candidate;
    try {
      if (obstacle) throw new AppError('engine-failed', obstacle);
      if (isSoftware) throw new AppError('engine-failed', `${name} is a renderer in software.`);
      await check(candidate);
      passed.push(candidate);
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'invalid') throw error;
      // Nothing needs to be done about it: there is another device.
      const reason = error.message.replace(`: ${DEVICES[candidate.device].remedy}`, '').replace(/\.$/, '');
      const isOnlyOne = found.filter(({ device }) => device === candidate.device).length === 1;
      reasons.push(`not ${isOnlyOne ? candidate.device : placeName(candidate)}: ${reason}`);
    }
  }
  const [first, ...others] = passed;
  if (!first) throw new AppError('engine-failed', `No device can be used: ${reasons.join('; ')}.`);
  return { devices: [first, ...others], why: reasons.join('; ') };
}
