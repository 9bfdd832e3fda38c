import { AppError } from '../shared/error.ts';
import { type DevicePlace, placeName } from './runtime/device-places.ts';
import { DEVICES } from './runtime/devices.ts';

/** For the largest network that ships, in its largest tiles (docs/measured.md). With less it goes on with smaller ones, more slowly. */
const CHILD_BYTES = 2 * 2 ** 30;

/** Throws `invalid` where so many processes cannot share the device. */
export function checkWorkers(
  place: DevicePlace,
  workers: number,
  { cores, memoryBytes }: { cores: number; memoryBytes: number },
): void {
  if (!DEVICES[place.device].isProcessor) {
    const advice = 'Name each device in DEVICE, as in cuda:0,cuda:1, or set DEVICE=cpu';
    throw new AppError('invalid', `WORKERS=${workers} is of the CPU, and ${placeName(place)} computes. ${advice}.`);
  }
  if (workers <= cores && workers * CHILD_BYTES <= memoryBytes) return;
  const needs = `${workers} cores and ${gigabytes(workers * CHILD_BYTES)} GB of memory`;
  const has = `${cores} cores and ${gigabytes(memoryBytes)} GB`;
  throw new AppError('invalid', `WORKERS=${workers} needs ${needs}; there are ${has}.`);
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}
