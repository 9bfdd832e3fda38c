import { type Device, isDevice } from '../../gpu-worker/runtime/devices.ts';

const asked = process.env.PARITY_DEVICE ?? 'cpu';
if (!isDevice(asked)) throw new Error(`PARITY_DEVICE ${asked} is no device.`);

/** Computes the networks of recorded sets. */
export const PARITY_DEVICE: Device = asked;
