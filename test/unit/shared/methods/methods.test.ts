import { describe, expect, test } from 'vitest';
import { MODEL_PARAMETERS } from '../../../../shared/methods/parameters.ts';
import {
  defaultModel,
  METHOD_IDS,
  METHODS,
  methodOf,
  modelsNamed,
  OWN_MODELS,
  SHIPPED_IDS,
} from '../../../../shared/methods/registry.ts';

const DIAL = Array.from({ length: 21 }, (_, step) => step / 20);

test('ids are unique, and good names of folders and environment values', () => {
  expect(new Set(METHOD_IDS).size).toBe(METHOD_IDS.length);
  for (const id of METHOD_IDS) expect(id).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
});

describe.each(METHODS)('$id', ({ defaults, fidelity, problems, work, tileSizes, price, pace, ...about }) => {
  test('every default may be asked for, and breaks no rule', () => {
    for (const [name, value] of Object.entries(defaults)) {
      expect(MODEL_PARAMETERS[name as keyof typeof MODEL_PARAMETERS].parse(value), name).toEqual(value);
    }
    expect(problems(defaults)).toEqual([]);
  });

  test('the dial begins at the method itself, never falls, and steers only parameters that there are', () => {
    const shares = DIAL.map((at) => fidelity.share(at));
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect([shares[0], shares.every((share) => share <= 1)]).toEqual([0, true]);
    const own = Object.entries(defaults);
    expect(own).toEqual(expect.arrayContaining(Object.entries(fidelity.steer(0, {}))));
    for (const at of DIAL) {
      const steered = fidelity.steer(at, {});
      for (const name of Object.keys(steered)) expect(defaults).toHaveProperty(name);
      expect(problems(steered)).toEqual([]);
    }
  });

  test('no network runs exactly where all of the result is the photo', () => {
    for (const at of DIAL) {
      const { tiles, steps, calls } = work(
        { width: 300, height: 200 },
        { ...defaults, ...fidelity.steer(at, {}), fidelity: at },
      );
      expect(calls > 0, `${at}`).toBe(fidelity.share(at) < 1);
      expect([0, tiles * steps, 2 * tiles * steps]).toContain(calls);
    }
  });

  test('tiles become smaller, and everything costs and lasts something', () => {
    expect(tileSizes).toEqual(tileSizes.toSorted((a, b) => b - a));
    expect(Math.min(price.standard, pace.seconds)).toBeGreaterThan(0);
    for (const text of [about.name, about.description, about.license]) expect(text.trim()).not.toBe('');
  });
});

test('known facts of the methods of SeeSR and of Real-ESRGAN', () => {
  const facts = (id: (typeof METHOD_IDS)[number]) => {
    const { weights, holdsWhole, isGenerative, isResumable, seesTags } = methodOf({ model: id });
    return { weights, holdsWhole, isGenerative, isResumable, seesTags };
  };
  const diffusion = { weights: 'built', holdsWhole: true, isGenerative: true, isResumable: true, seesTags: true };
  const onePass = { weights: 'shipped', holdsWhole: false, isGenerative: false, isResumable: false, seesTags: false };
  expect([facts('seesr'), facts('seesr-turbo')]).toEqual([diffusion, diffusion]);
  expect([facts('real-esrgan'), facts('real-esrgan-fast')]).toEqual([onePass, onePass]);
});

test('the default is the best that is installed', () => {
  expect(defaultModel(OWN_MODELS)).toBe('seesr');
  expect(defaultModel(modelsNamed(['seesr-turbo', 'real-esrgan-fast', 'real-esrgan']))).toBe('real-esrgan');
  expect(defaultModel(modelsNamed(['seesr-turbo', 'real-esrgan-fast']))).toBe('real-esrgan-fast');
  expect(defaultModel(modelsNamed(SHIPPED_IDS))).toBe('real-esrgan');
  expect(() => defaultModel([])).toThrow('No model is installed.');
});
