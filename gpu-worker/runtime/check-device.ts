import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkLayers } from './check-layers.ts';
import type { Device } from './devices.ts';
import { openDevice } from './session.ts';

/** Where it is kept that a device computes right, and what that holds for. */
export interface KeptChecks {
  directory: string;
  /** Of `FoundDevice`: another driver is another device. */
  driver: string;
  /** Name and version: another one has other layers, and perhaps another runtime. */
  program: string;
}

const FILE = 'device-checks.json';
/** A machine that changes its driver more often forgets the oldest. */
const MOST_KEPT = 20;

/**
 * Throws AppError `engine-failed` where the device is not there, or computes wrong: then it names the layer. Computes every kind of
 * layer, which takes a second at most on a GPU, or nothing where `kept` knows the answer.
 */
export async function checkDevice(device: Device, kept?: KeptChecks): Promise<void> {
  await openDevice(device);
  if (!kept) return await checkLayers(device);
  const right = await readKept(kept.directory);
  const name = JSON.stringify([device, kept.driver, kept.program]);
  if (right.includes(name)) return;
  await checkLayers(device);
  // It only saves time: where it cannot be written the next start checks again.
  await keep(kept.directory, [...right, name].slice(-MOST_KEPT)).catch(() => {});
}

async function readKept(directory: string): Promise<string[]> {
  try {
    const names: unknown = JSON.parse(await readFile(join(directory, FILE), 'utf8'));
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return []; // not there yet, or not whole
  }
}

async function keep(directory: string, names: readonly string[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, FILE);
  await writeFile(`${path}.${process.pid}`, `${JSON.stringify(names, null, 2)}\n`);
  await rename(`${path}.${process.pid}`, path);
}
