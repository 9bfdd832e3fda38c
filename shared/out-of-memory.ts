/** Whether an error of the runtime, of C++ or of CUDA, of which there is only its words, means that memory was refused. */
export function isOutOfMemory(message: string): boolean {
  return /bad_alloc|failed to allocate|out of memory|array buffer allocation failed/i.test(message);
}
