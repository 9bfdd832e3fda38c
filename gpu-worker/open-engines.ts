import { availableParallelism } from 'node:os';
import { AppError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import { checkWorkers } from './check-workers.ts';
import { createEngine, type Engine } from './engine.ts';
import { type AskedDevices, type DevicePlace, placeName } from './runtime/device-places.ts';
import { DEVICES } from './runtime/devices.ts';
import { findDevices } from './runtime/find-devices.ts';

interface OpenOptions {
  modelsDirectory: string;
  log: Log;
  /** Processes that share the CPU, where it is the CPU that computes. */
  workers?: number;
  /** Where it is kept that the device of `auto` computes right. Default: it is checked at every start. */
  checksDirectory?: string;
}

export interface OpenedEngines {
  engines: Engines;
  /** The devices, and why it is these: one line. */
  choice: string;
}

type Engines = [Engine, ...Engine[]];

/**
 * An engine for each device that is asked for, or of `auto` for the first that works. The line is logged, too. Throws
 * AppError: `engine-failed` where a device that is asked for by name cannot be used, `invalid` for more `workers` than the
 * machine has room for.
 */
export async function openEngines(asked: AskedDevices, options: OpenOptions): Promise<OpenedEngines> {
  const { engines, why } =
    asked === 'auto' ? await openBest(options) : { engines: await openNamed(asked, options), why: 'asked for' };
  const names = engines.map(({ name }) => name);
  options.log.info('device.chosen', { devices: names, why });
  return { engines, choice: `Device: ${names.join(', ')} (${why})` };
}

/** For a program that computes in its own process. Throws as `openEngines` does. */
export async function chooseDevice(
  asked: AskedDevices,
  options: OpenOptions,
): Promise<DevicePlace & { choice: string }> {
  const { engines, choice } = await openEngines(asked, options);
  for (const engine of engines) await engine.close();
  return { ...engines[0].place, choice };
}

async function openBest(options: OpenOptions): Promise<{ engines: Engines; why: string }> {
  const reasons = ['auto'];
  const { checksDirectory: directory } = options;
  for (const { device, driver, isSoftware, obstacle, name = 'it' } of await findDevices()) {
    try {
      if (obstacle) throw new AppError('engine-failed', obstacle);
      if (isSoftware) throw new AppError('engine-failed', `${name} is a renderer in software.`);
      const kept = directory === undefined ? undefined : { directory, driver };
      return { engines: await openNamed([{ device, index: 0 }], options, kept), why: reasons.join('; ') };
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'invalid') throw error;
      // Nothing needs to be done about it: there is another device.
      const reason = error.message.replace(`: ${DEVICES[device].remedy}`, '').replace(/\.$/, '');
      reasons.push(`not ${device}: ${reason}`);
    }
  }
  throw new AppError('engine-failed', `No device can be used: ${reasons.join('; ')}.`);
}

async function openNamed(
  places: readonly DevicePlace[],
  options: OpenOptions,
  kept?: { directory: string; driver: string },
): Promise<Engines> {
  const engines = createEngines(places, options);
  for (const engine of engines) {
    if (DEVICES[engine.place.device].isProcessor) continue;
    try {
      await engine.checkDevice(kept);
    } catch (error) {
      for (const opened of engines) await opened.close();
      const reason = error instanceof Error ? error.message : String(error);
      throw new AppError('engine-failed', `${engine.name} cannot be used: ${reason}`, { cause: error });
    }
  }
  return engines as Engines;
}

function createEngines(places: readonly DevicePlace[], { workers = 1, ...options }: OpenOptions): Engine[] {
  const shared = places.map((place) =>
    workers > 1 ? childrenOn(place, workers) : [{ place, name: placeName(place) }],
  );
  const children = shared.flat();
  const threads = Math.max(1, Math.floor(availableParallelism() / children.length));
  return children.map(({ place: { device, index }, name }) => {
    return createEngine({ ...options, device, deviceIndex: index, threads, name });
  });
}

function childrenOn(place: DevicePlace, workers: number) {
  checkWorkers(place, workers, { cores: availableParallelism(), memoryBytes: process.availableMemory() });
  const numbers = Array.from({ length: workers }, (_, index) => index + 1);
  return numbers.map((number) => ({ place, name: `${placeName(place)}/${number}` }));
}
