import { DEVICE_NAMES, DEVICES, type Device, isDevice } from './devices.ts';

/** One device of this machine. */
export interface DevicePlace {
  device: Device;
  /** Among those of its kind. */
  index: number;
}

/** What DEVICE and --device ask for. */
export type AskedDevices = 'auto' | readonly [DevicePlace, ...DevicePlace[]];

/** More are in no machine. */
const MOST_OF_A_KIND = 16;
const EXPECTED = `expected auto, or some of ${DEVICE_NAMES.join(', ')}, separated by commas; of several of a kind each with its index, as in cuda:0,cuda:1`;

/** As results, answers and logs name it: `cuda:1`, and `cpu`, which takes no index. */
export function placeName({ device, index }: DevicePlace): string {
  return DEVICES[device].takesIndex ? `${device}:${index}` : device;
}

/** Throws an Error that names the fault. */
export function parseDevices(text: string): AskedDevices {
  if (/\s/.test(text)) throw new Error('has a blank within; write a list as in cuda:0,cuda:1');
  const words = text.toLowerCase().split(',');
  if (words.length === 1 && words[0] === 'auto') return 'auto';
  const places = words.map(parsePlace);
  const names = places.map(placeName);
  const doubled = names.find((name, position) => names.indexOf(name) !== position);
  if (doubled) throw new Error(`names ${doubled} twice; WORKERS is the number of processes on the CPU`);
  return places as [DevicePlace, ...DevicePlace[]];
}

function parsePlace(word: string): DevicePlace {
  const [, device = '', digits = '0'] = /^([a-z]+)(?::(0|[1-9]\d{0,8}))?$/.exec(word) ?? [];
  if (!isDevice(device)) throw new Error(EXPECTED);
  const index = Number(digits);
  if (!DEVICES[device].takesIndex && index > 0) throw new Error(`${word}: ${device} has no index but 0`);
  if (index >= MOST_OF_A_KIND) throw new Error(`${word}: an index is 0 to ${MOST_OF_A_KIND - 1}`);
  return { device, index };
}
