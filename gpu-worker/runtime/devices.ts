/** Imports nothing of ONNX Runtime: configuration and builds read it too. */

interface DeviceFacts {
  /** Its name in ONNX Runtime. */
  provider: string;
  /** Stored fp16 weights are computed in fp16; elsewhere they are widened, because fp16 gains no time there. */
  computesHalf: boolean;
  /** Of models that are built for it. */
  defaultDtype: 'fp32' | 'fp16';
  /** Networks of a model stay loaded while another of them runs. A CPU's do so only where memory is ample. */
  keepsAllNetworks: boolean;
  /** 3×3 convolutions are faster by Winograd's algorithm written as operators. */
  gainsByWinograd: boolean;
  /** What a library that cannot be loaded means, and what to do. */
  missing: string;
}

/** The kinds of devices, and what each can. Nothing else asks for the name of a device. */
export const DEVICES = {
  cpu: {
    provider: 'cpu',
    computesHalf: false,
    defaultDtype: 'fp32',
    keepsAllNetworks: false,
    // Measured on x64 only: elsewhere ONNX Runtime may have no blocked layout, without which those graphs are slow.
    gainsByWinograd: process.arch === 'x64',
    missing: 'device cpu needs the library of onnxruntime-node, which cannot be loaded: run "npm ci".',
  },
  cuda: {
    provider: 'cuda',
    computesHalf: true,
    defaultDtype: 'fp16',
    keepsAllNetworks: true,
    gainsByWinograd: false,
    missing:
      'device cuda needs libonnxruntime_providers_cuda and the CUDA libraries, which cannot be loaded: run "node node_modules/onnxruntime-node/script/install.js", or choose device cpu.',
  },
} as const satisfies Record<string, DeviceFacts>;

export type Device = keyof typeof DEVICES;

export const DEVICE_NAMES = Object.keys(DEVICES) as [Device, ...Device[]];

export function isDevice(name: string): name is Device {
  return Object.hasOwn(DEVICES, name);
}
