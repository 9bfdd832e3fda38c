import { isDevice } from './devices.ts';
import { openDevice } from './session.ts';

/** A process that only tries a device; find-devices.ts starts it. */

/** Its message, once. */
export interface Probed {
  /** Why the device cannot be used; absent where it can. */
  obstacle?: string;
}

const [, , device = ''] = process.argv;
if (isDevice(device)) {
  const probed: Probed = await openDevice(device).then(
    () => ({}),
    (error: Error) => ({ obstacle: error.message }),
  );
  process.send?.(probed);
}
