/** Imports nothing of ONNX Runtime: configuration and builds read it too. */

/** What graphs have to keep to: see lower-model.ts. */
export interface LoweringFacts {
  /** MultiHeadAttention is right; else attention is made of MatMul and Softmax. */
  attendsFused: boolean;
  /** InstanceNormalization is right; else mean and variance take a pass each. */
  normalizesInstances: boolean;
  /** Conv is right for any number of channels; else those that it confuses are filled up with zeros to a multiple of 4. */
  convolvesAnyChannels: boolean;
  /** Outputs that one node may have. */
  mostOutputs: number;
  /** Scores of attention are computed for so many queries at a time that they fit in. */
  largestBufferBytes: number;
}

/** What a device can. */
export interface DeviceFacts {
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
  /** By how much a layer may differ from a CPU's in fp32, as a part of its largest number: a right one stays well below. */
  tolerance: number;
  /** Absent where graphs run as they are written. */
  lowering?: LoweringFacts;
  /** Several of a kind are told apart by an index. */
  takesIndex: boolean;
  /** The processor of the machine: always there, so that a start need not try it; several children may share its cores. */
  isProcessor: boolean;
  /** What it means that its library or adapter cannot be had, and what to do. */
  missing: string;
  remedy: string;
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
    takesIndex: false,
    isProcessor: true,
    tolerance: 1e-4,
    missing: 'device cpu needs the library of onnxruntime-node, which cannot be loaded',
    remedy: 'run "npm ci"',
  },
  cuda: {
    provider: 'cuda',
    computesHalf: true,
    defaultDtype: 'fp16',
    keepsAllNetworks: true,
    gainsByWinograd: false,
    takesIndex: true,
    isProcessor: false,
    // Convolutions and products round their factors to the 11 bits of TF32.
    tolerance: 0.02,
    missing: 'device cuda needs libonnxruntime_providers_cuda and the CUDA libraries, which cannot be loaded',
    remedy: 'run "node node_modules/onnxruntime-node/script/install.js", or choose device cpu',
  },
  /** A GPU of any maker by Vulkan, Direct3D 12 or Metal; its provider comes with onnxruntime-node. Measured on SwiftShader. */
  webgpu: {
    provider: 'webgpu',
    // Many drivers have no fp16 in shaders, NVIDIA's under Vulkan among them.
    computesHalf: false,
    defaultDtype: 'fp32',
    keepsAllNetworks: false,
    gainsByWinograd: false,
    // Its provider has no option of that kind: the driver chooses the adapter.
    takesIndex: false,
    isProcessor: false,
    tolerance: 1e-4,
    lowering: {
      // Wrong from 64 queries on.
      attendsFused: false,
      // Of few values the variance loses its digits: 1e-3 off.
      normalizesInstances: false,
      // 3×3 from 6, 9, 15, 18 … channels to a multiple of 4: as large as the result is (onnxruntime issue 29651).
      convolvesAnyChannels: false,
      // A node binds one buffer for each input and output; WebGPU promises 8 of them.
      mostOutputs: 7,
      // WebGPU promises no larger maxStorageBufferBindingSize.
      largestBufferBytes: 128 * 2 ** 20,
    },
    missing: 'device webgpu needs a GPU and its driver (on Linux also libvulkan1), and none was found',
    remedy: 'choose device cpu',
  },
} as const satisfies Record<string, DeviceFacts>;

export type Device = keyof typeof DEVICES;

export const DEVICE_NAMES = Object.keys(DEVICES) as [Device, ...Device[]];

export function isDevice(name: string): name is Device {
  return Object.hasOwn(DEVICES, name);
}

/** The sentence that its library or adapter cannot be had. */
export function missingDevice({ missing, remedy }: DeviceFacts): string {
  return `${missing}: ${remedy}.`;
}
