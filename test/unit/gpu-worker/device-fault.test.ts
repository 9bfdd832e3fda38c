import { expect, test } from 'vitest';
import { isDeviceFault } from '../../../gpu-worker/device-fault.ts';
import { isOutOfMemory } from '../../../shared/out-of-memory.ts';

/** Seen on SwiftShader with ONNX Runtime 1.30, or, where marked, told by others of theirs. */
const OUT_OF_MEMORY = [
  'WebGPU validation failed. Buffer size (1075840000) exceeds the max buffer size limit (1073741824).\n - While calling [Device].CreateBuffer([BufferDescriptor]).',
  'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.\n - While validating entries[1] against { binding: 1 }',
  'WebGPU device error(3): Allocation size too large\n - While calling [Device].CreateBuffer([BufferDescriptor]).',
  'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY\n    at CheckVkOOMThenSuccessImpl', // github.com/mlc-ai/web-llm/issues/60
  'webgpu_context.cc:120 operator()] WebGPU device error(2): Out of memory', // github.com/microsoft/onnxruntime/issues/25195
  'CUDA failure 2: out of memory ; GPU=0',
  'std::bad_alloc',
];

const DEVICE_FAULTS = [
  // As reported of onnxruntime's buffer_manager.cc.
  "Failed to download data from buffer: Failed to execute 'mapAsync' on 'GPUBuffer': [Device] is lost.",
  'Failed to download data from buffer: A valid external Instance reference no longer exists.',
  'vkQueueSubmit failed with VK_ERROR_DEVICE_LOST',
  'ID3D12Device::GetDeviceRemovedReason failed with DXGI_ERROR_DEVICE_HUNG (0x887A0006)',
  'CUDA failure 719: unspecified launch failure ; GPU=0',
];

/** About the network or the photo: smaller tiles and another child would not help. */
const NEITHER = [
  'Non-zero status code returned while running Cast node. Status Message: Program Cast requires f16 but the device does not support it.',
  "Invalid argument: WebGPU EP has an unrecognized option: 'deviceId'.",
  'Got invalid dimensions for input: latent for the following indices',
];

test.each(OUT_OF_MEMORY)('memory was refused: %s', (message) => {
  expect(isOutOfMemory(message)).toBe(true);
});

test.each(DEVICE_FAULTS)('the device is lost: %s', (message) => {
  expect(isDeviceFault(message)).toBe(true);
  expect(isOutOfMemory(message)).toBe(false);
});

test.each(NEITHER)('neither: %s', (message) => {
  expect(isDeviceFault(message)).toBe(false);
  expect(isOutOfMemory(message)).toBe(false);
});
