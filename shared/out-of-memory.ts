/** By allocators of C++, of ONNX Runtime and of CUDA, and by drivers of Vulkan and Direct3D. */
const REFUSED =
  /bad_alloc|failed to allocate|out of memory|array buffer allocation failed|OUT_OF_(?:DEVICE|HOST)_MEMORY|E_OUTOFMEMORY/i;
/** By WebGPU, which has limits of its own; a buffer that was refused is `[Invalid Buffer]` from then on. */
const TOO_LARGE =
  /allocation size too large|exceeds the max buffer size|exceeding maxStorageBufferBindingSize|\[Invalid Buffer\b/i;

/** Whether an error of a runtime, of which there is only its words, means that memory was refused. */
export function isOutOfMemory(message: string): boolean {
  return REFUSED.test(message) || TOO_LARGE.test(message);
}
