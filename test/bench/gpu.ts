import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DEVICE_NAMES, DEVICES, type Device, isDevice } from '../../gpu-worker/runtime/devices.ts';
import { type FoundDevice, findDevices } from '../../gpu-worker/runtime/find-devices.ts';
import { usageError } from '../../shared/adapters/node/command.ts';
import type { BenchOptions, BenchTable } from './bench.ts';
import type { GpuMeasurements } from './gpu-case.ts';
import { type GpuMemory, watchGpuMemory } from './gpu-memory.ts';

const execute = promisify(execFile);
const CASE = fileURLToPath(new URL('./gpu-case.ts', import.meta.url));
const SEESR_CASE = fileURLToPath(new URL('./seesr-case.ts', import.meta.url));

export const options = {
  device: { value: DEVICE_NAMES.join(' | '), about: 'only this one, also where it is software (default: all GPUs)' },
} as const;

type Row = BenchTable['rows'][number];

const MODELS = ['real-esrgan', 'real-esrgan-fast'] as const;
/** Multiplications and additions for one pixel of the input, as in sr.ts. */
const GFLOP_PER_PIXEL = { 'real-esrgan': 0.0359, 'real-esrgan-fast': 0.00242 };
const LONG = { side: 256, compared: 32, raw: { side: 256, layers: 32 } };
const SHORT = { side: 128, compared: 32, raw: { side: 128, layers: 16 } };
/** A renderer in software is two hundred times slower than a CPU: only whether all of this works can be seen. */
const SOFTWARE = { side: 3, compared: 4, raw: { side: 8, layers: 1 } };
/** Of the latent of a photo of 512×512 results. */
const STEP_SIDE = 64;
const NOTE =
  'Tiles with their transfer there and back; the fastest of three. The raw rate is that of 3×3 convolutions in a row of which one number leaves the device. Memory is told by nvidia-smi, 5 times a second.';

/** Networks on every GPU of the machine, by CUDA and by WebGPU. Each case has a process of its own. */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const asked = values.device;
  if (asked !== undefined && !isDevice(asked))
    throw usageError(`--device ${asked}: it is one of ${DEVICE_NAMES.join(', ')}.`);
  const found = await findDevices();
  const measured = found.filter((entry) => (asked ? entry.device === asked : isGpu(entry)) && !entry.obstacle);
  const tables: BenchTable[] = [{ title: 'Devices of this machine', rows: found.map(deviceRow) }];
  for (const { device, isSoftware } of measured) {
    const sizes = isSoftware ? SOFTWARE : long ? LONG : SHORT;
    tables.push({ title: `Tiles on ${device}`, rows: await tileRows(device, sizes), note: NOTE });
    if (long && !isSoftware) tables.push({ title: `A step of SeeSR on ${device}`, rows: [await stepRow(device)] });
  }
  return tables;
}

function isGpu({ device, isSoftware }: FoundDevice): boolean {
  return !isSoftware && !DEVICES[device].isProcessor;
}

function deviceRow({ device, name = '', isSoftware, obstacle }: FoundDevice): Row {
  const use = obstacle ?? (isSoftware ? 'a renderer in software: measured only when it is asked for' : 'there');
  return { device, name, use };
}

async function tileRows(device: Device, { side, compared, raw }: typeof LONG): Promise<Row[]> {
  const { gflops } = await measure('raw', { device, ...raw });
  const rows: Row[] = [];
  for (const model of MODELS) {
    const [result, memory] = await watchGpuMemory(() => measure('upscale', { device, model, side, compared }));
    const rate = (GFLOP_PER_PIXEL[model] * side ** 2) / result.seconds;
    rows.push({
      model,
      tile: side,
      'load and first tile (s)': round(result.loadSeconds),
      'seconds per output MP': round(result.seconds / ((16 * side ** 2) / 1e6)),
      'GFLOP/s': round(rate),
      'raw convolution (GFLOP/s)': round(gflops),
      'share of it': `${Math.round((100 * rate) / gflops)} %`,
      ...memoryCells(memory),
      'largest difference to the CPU (0..1)': result.difference.toExponential(1),
    });
  }
  return rows;
}

/** In its published size, with random weights, under guidance; needs 10 GB below the temporary folder. */
async function stepRow(device: Device): Promise<Row> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-gpu-'));
  try {
    const dtype = DEVICES[device].defaultDtype;
    await execute(process.execPath, [SEESR_CASE, JSON.stringify(['build', { directory, dtype }]), device]);
    const given = JSON.stringify(['step', { directory, side: STEP_SIDE, repeats: 3 }]);
    const [{ stdout }, memory] = await watchGpuMemory(() => execute(process.execPath, [SEESR_CASE, given, device]));
    const { loadSeconds, seconds } = JSON.parse(stdout) as { loadSeconds: number; seconds: number };
    const times = { 'load (s)': round(loadSeconds), 'step (s)': round(seconds) };
    return { latent: `${STEP_SIDE}×${STEP_SIDE}`, weights: dtype, ...times, ...memoryCells(memory) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function memoryCells(memory: GpuMemory | undefined): Row {
  if (!memory) return { 'peak memory of the GPU (GB)': 'not told', 'share of the card': 'not told' };
  const share = `${Math.round((100 * memory.peakBytes) / memory.totalBytes)} %`;
  return { 'peak memory of the GPU (GB)': round(memory.peakBytes / 1e9), 'share of the card': share };
}

type Measured<Kind extends keyof GpuMeasurements> = Awaited<ReturnType<GpuMeasurements[Kind]>>;

async function measure<Kind extends keyof GpuMeasurements>(
  kind: Kind,
  given: Parameters<GpuMeasurements[Kind]>[0],
): Promise<Measured<Kind>> {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify([kind, given])]);
  return JSON.parse(stdout) as Measured<Kind>;
}

const round = (value: number) => Number(value.toPrecision(3));
