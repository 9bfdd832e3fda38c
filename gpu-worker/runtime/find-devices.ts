import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DevicePlace } from './device-places.ts';
import { DEVICES, type Device, missingDevice } from './devices.ts';
import { listCuda, namesOfGpus } from './list-cuda.ts';
import type { Probed } from './probe-device.ts';

export interface FoundDevice extends DevicePlace {
  /** As its driver calls it, where that can be had. */
  name?: string;
  /** The driver with its version or time of change: what was found out about the device holds for it alone. */
  driver: string;
  /** A renderer in software: right, and far slower than the CPU itself. */
  isSoftware: boolean;
  /** Why it cannot be used here, in a sentence; absent where it can. */
  obstacle?: string;
}

interface Tried extends Probed {
  /** What the Vulkan loader tells of the adapter that was taken. */
  name?: string;
  driver?: string;
}

const ANSWER_MILLISECONDS = 30_000;
/** As the loader writes it when asked for its layers. */
const ADAPTER = /Using "(?<name>.+)" with driver: "(?<driver>.+)"/;
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;
/** Of the Vulkan loader. */
const NAMED_DRIVERS = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'];
/** Files of Linux that stand for a GPU: of all drivers of the kernel, of NVIDIA's own, and of Windows around it. */
const GPU_FILES = /^(dri|nvidia\d+|dxg)$/;

/**
 * Every kind of device, the best first, and of CUDA each GPU. Tries each in a process of its own, because a driver may crash
 * or hang; takes about half a second, and moments where files show that there is no GPU. Never throws.
 */
export async function findDevices(): Promise<FoundDevice[]> {
  const [cuda, webgpu] = await Promise.all([
    findCuda(),
    (await mayHaveAdapter()) ? tryDevice({ device: 'webgpu', index: 0 }) : absent('webgpu'),
  ]);
  const nvidia = await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => '');
  return [
    ...cuda.map((gpu) => ({ ...gpu, driver: nvidia || release(), isSoftware: false })),
    {
      device: 'webgpu',
      index: 0,
      ...(webgpu.name && { name: webgpu.name }),
      driver: `${await versionOf(webgpu.driver)} ${nvidia}`.trim(),
      isSoftware: webgpu.name ? SOFTWARE.test(webgpu.name) : !(await hasGpuFiles()),
      ...withObstacle(webgpu),
    },
    { device: 'cpu', index: 0, name: cpus()[0]?.model ?? process.arch, driver: release(), isSoftware: false },
  ];
}

const absent = (device: Device): Tried => ({ obstacle: missingDevice(DEVICES[device]) });

async function findCuda(): Promise<Omit<FoundDevice, 'driver' | 'isSoftware'>[]> {
  if (!hasCudaLibrary()) return [{ device: 'cuda', index: 0, ...absent('cuda') }];
  const listed = listCuda(await namesOfGpus(), process.env.CUDA_VISIBLE_DEVICES);
  return await Promise.all(
    listed.map(async (gpu) => {
      const place = { ...gpu, device: 'cuda' } as const;
      return gpu.obstacle ? place : { ...place, ...withObstacle(await tryDevice(place)) };
    }),
  );
}

/** Beside the binding of onnxruntime-node, which comes without it. */
function hasCudaLibrary(): boolean {
  const { platform, arch } = process;
  const name = platform === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so';
  const module = fileURLToPath(import.meta.resolve('onnxruntime-node'));
  return existsSync(join(module, `../../bin/napi-v6/${platform}/${arch}/${name}`));
}

/** Where no driver is named, one without a GPU is a renderer in software. */
async function mayHaveAdapter(): Promise<boolean> {
  return NAMED_DRIVERS.some((name) => process.env[name]) || (await hasGpuFiles());
}

const withObstacle = ({ obstacle }: Tried) => (obstacle === undefined ? {} : { obstacle });

function tryDevice({ device, index }: DevicePlace): Promise<Tried> {
  const { promise, resolve } = Promise.withResolvers<Tried>();
  const child = fork(new URL('./probe-device.ts', import.meta.url), [device, String(index)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, VK_LOADER_DEBUG: 'layer' },
  });
  let said = '';
  let probed: Probed = { obstacle: `Device ${device} does not answer.` };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), ANSWER_MILLISECONDS);
  child.once('message', (message: Probed) => {
    probed = message;
    child.kill('SIGKILL');
  });
  child.once('error', ({ message }) => {
    probed = { obstacle: message };
    resolve(probed);
  });
  child.once('close', () => {
    clearTimeout(timer);
    resolve({ ...probed, ...ADAPTER.exec(said)?.groups });
  });
  return promise;
}

/** Drivers of Windows and macOS come with the system, and a library without a folder is looked for by the loader. */
async function versionOf(driver: string | undefined): Promise<string> {
  if (driver === undefined || !isAbsolute(driver)) return `${driver ?? ''} ${release()}`.trim();
  const changed = await stat(driver).then(
    ({ mtime }) => mtime.toISOString(),
    () => release(),
  );
  return `${driver} ${changed}`;
}

/** Elsewhere than on Linux an adapter that does not tell its name is taken for a GPU. */
async function hasGpuFiles(): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  return (await readdir('/dev')).some((name) => GPU_FILES.test(name));
}
