/**
 * Removes files and folders that are of no more use. One that cannot be removed at this moment goes with the next one, or
 * with a call without any.
 */
export function createRemoval(rm: (path: string, options: { recursive: true; force: true }) => Promise<void>) {
  const left = new Set<string>();
  return async function remove(path?: string): Promise<void> {
    if (path !== undefined) left.add(path);
    for (const each of [...left]) {
      try {
        await rm(each, { recursive: true, force: true });
        left.delete(each);
      } catch {
        // The disk refuses it, or the system gives no handle.
      }
    }
  };
}
