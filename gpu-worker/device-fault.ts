/** As ONNX Runtime passes on errors of CUDA and its libraries. */
const CUDA = /\b(?:CUDA|CUDNN|CUBLAS|CUFFT) failure \d+/;
/** A GPU that was reset, pulled out, or hung, as WebGPU, Vulkan and Direct3D tell it. */
const LOST =
  /device(?:\] is| is| was)? lost|VK_ERROR_DEVICE_LOST|DXGI_ERROR_DEVICE_(?:HUNG|REMOVED|RESET)|Instance reference no longer exists/i;

/** Whether an error of a runtime, of which there is only its words, is about the GPU, its driver or its bus, not about a photo. */
export function isDeviceFault(message: string): boolean {
  return CUDA.test(message) || LOST.test(message);
}
