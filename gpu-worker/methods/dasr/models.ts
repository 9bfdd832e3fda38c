import { join } from 'node:path';
import type { Device } from '../../runtime/devices.ts';
import { createSession, type Session } from '../../runtime/session.ts';
import { NETWORK_NAMES, type NetworkName } from './networks.ts';

/** Loaded and ready. Inputs and outputs: see the graphs. */
export type DasrModels = Readonly<Record<NetworkName, Session>> & { release(): Promise<void> };

/** `directory`: of the installed model. Throws as `createSession` does. */
export async function loadDasr(directory: string, device: Device): Promise<DasrModels> {
  await using opened = new AsyncDisposableStack();
  const sessions: Partial<Record<NetworkName, Session>> = {};
  for (const name of NETWORK_NAMES) {
    const session = await createSession(join(directory, `${name}.onnx`), device);
    opened.defer(session.release);
    sessions[name] = session;
  }
  const owned = opened.move();
  return { ...(sessions as Record<NetworkName, Session>), release: () => owned.disposeAsync() };
}
