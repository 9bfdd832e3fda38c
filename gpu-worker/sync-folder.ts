import { open } from 'node:fs/promises';

/** Makes names that were added or removed last survive a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // has no such call; NTFS journals its folders
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
