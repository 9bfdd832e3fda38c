import { isDevice } from './devices.ts';
import { openDevice } from './session.ts';
import { takeShare } from './share.ts';

/** A process that only tries a device; find-devices.ts starts it. */

/** Its message, once. */
export interface Probed {
  /** Why the device cannot be used; absent where it can. */
  obstacle?: string;
}

const [, , device = '', index] = process.argv;
if (isDevice(device)) {
  takeShare({ deviceIndex: Number(index) });
  const probed: Probed = await openDevice(device).then(
    () => ({}),
    (error: Error) => ({ obstacle: error.message }),
  );
  process.send?.(probed);
}
