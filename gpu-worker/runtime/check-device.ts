import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkLayers } from './check-layers.ts';
import type { LayerKind } from './checked-layers.ts';
import { placeName } from './device-places.ts';
import type { Device } from './devices.ts';
import { openDevice } from './session.ts';
import { share } from './share.ts';

/** Where it is kept which layers a device computes right, and what that holds for. */
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

/** Kinds of layers that were right, by what that holds for. */
type Checks = Record<string, unknown>;

/**
 * Throws AppError `engine-failed` where the device is not there, or computes one of these layers wrong: then it names the
 * layer. Takes a second at most on a GPU, and moments where `kept` knows the answer.
 */
export async function checkDevice(device: Device, layers: readonly LayerKind[], kept?: KeptChecks): Promise<void> {
  await openDevice(device);
  if (!kept) return await checkLayers(device, layers);
  const checks = await readKept(kept.directory);
  const name = JSON.stringify([placeName({ device, index: share.deviceIndex }), kept.driver, kept.program]);
  const right = new Set<unknown>(Array.isArray(checks[name]) ? checks[name] : []);
  const unknown = layers.filter((layer) => !right.has(layer));
  if (unknown.length === 0) return;
  await checkLayers(device, unknown);
  // It only saves time: where it cannot be written the next start checks again.
  await keep(kept.directory, { ...checks, [name]: [...right, ...unknown] }).catch(() => {});
}

async function readKept(directory: string): Promise<Checks> {
  try {
    return Object(JSON.parse(await readFile(join(directory, FILE), 'utf8')));
  } catch {
    return {}; // not there yet, or not whole
  }
}

async function keep(directory: string, checks: Checks): Promise<void> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, FILE);
  const latest = Object.fromEntries(Object.entries(checks).slice(-MOST_KEPT));
  await writeFile(`${path}.${process.pid}`, `${JSON.stringify(latest, null, 2)}\n`);
  await rename(`${path}.${process.pid}`, path);
}
