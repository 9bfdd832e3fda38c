import { availableParallelism } from 'node:os';
import { AppError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { AnyMethodId } from '../shared/methods/registry.ts';
import { checkWorkers } from './check-workers.ts';
import type { Kept } from './child.ts';
import { chooseDevices } from './choose-devices.ts';
import { createEngine, type Engine } from './engine.ts';
import { type AskedDevices, type DevicePlace, placeName } from './runtime/device-places.ts';
import { DEVICES } from './runtime/devices.ts';
import { type FoundDevice, findDevices } from './runtime/find-devices.ts';

interface OpenOptions {
  modelsDirectory: string;
  log: Log;
  /** Of the models that are to run: a device must compute their layers right. Default: every kind of layer. */
  methods?: readonly AnyMethodId[];
  /** Processes that share the CPU, where it is the CPU that computes. */
  workers?: number;
  /** Where it is kept that the device of `auto` computes right. Default: it is checked at every start. */
  checksDirectory?: string;
  /** Devices that `auto` takes at most: of a program that works on one thing after the other, 1. */
  most?: number;
}

export interface OpenedEngines {
  engines: Engines;
  /** The devices, and why it is these: one line. */
  choice: string;
}

type Engines = [Engine, ...Engine[]];

/**
 * An engine for each device that is asked for, or that `chooseDevices` takes. The line is logged, too. Throws
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
  const { engines, choice } = await openEngines(asked, { ...options, most: 1 });
  for (const engine of engines) await engine.close();
  return { ...engines[0].place, choice };
}

async function openBest({
  most,
  checksDirectory,
  ...options
}: OpenOptions): Promise<{ engines: Engines; why: string }> {
  const found = await findDevices();
  const keptOf = ({ name = '', driver }: FoundDevice): Kept | undefined =>
    checksDirectory === undefined ? undefined : { directory: checksDirectory, driver: `${name} ${driver}` };
  const { devices, why } = await chooseDevices(
    found,
    async (device) => {
      const engines = createEngines([{ ...device, kept: keptOf(device) }], options);
      await checkEngines(engines).finally(() => closeAll(engines));
    },
    most,
  );
  const places = devices.map((device) => ({ ...device, kept: keptOf(device) }));
  return { engines: createEngines(places, options) as Engines, why };
}

async function openNamed(places: readonly DevicePlace[], options: OpenOptions): Promise<Engines> {
  const engines = createEngines(places, options);
  try {
    await checkEngines(engines);
  } catch (error) {
    await closeAll(engines);
    throw error;
  }
  return engines as Engines;
}

async function checkEngines(engines: readonly Engine[]): Promise<void> {
  for (const engine of engines) {
    if (DEVICES[engine.place.device].isProcessor) continue;
    try {
      await engine.checkDevice();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new AppError('engine-failed', `${engine.name} cannot be used: ${reason}`, { cause: error });
    }
  }
}

async function closeAll(engines: readonly Engine[]): Promise<void> {
  for (const engine of engines) await engine.close();
}

interface Place extends DevicePlace {
  kept?: Kept | undefined;
}

function createEngines(places: readonly Place[], { workers = 1, ...options }: OpenOptions): Engine[] {
  const shared = places.map((place) =>
    workers > 1 ? childrenOn(place, workers) : [{ place, name: placeName(place) }],
  );
  const children = shared.flat();
  const threads = Math.max(1, Math.floor(availableParallelism() / children.length));
  return children.map(({ place: { device, index, kept }, name }) => {
    return createEngine({ ...options, device, deviceIndex: index, threads, name, kept });
  });
}

function childrenOn(place: Place, workers: number) {
  checkWorkers(place, workers, { cores: availableParallelism(), memoryBytes: process.availableMemory() });
  const numbers = Array.from({ length: workers }, (_, index) => index + 1);
  return numbers.map((number) => ({ place, name: `${placeName(place)}/${number}` }));
}
