import { describe, expect, test } from 'vitest';
import { settleParameters } from '../../../shared/job.ts';
import { MODEL_PARAMETERS } from '../../../shared/methods/parameters.ts';
import { METHOD_IDS, methodOf, modelsNamed, OWN_MODELS, SHIPPED_IDS } from '../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../shared/parameters.ts';

const complete = (asked: object, installed = OWN_MODELS) =>
  completeParameters(requestedParametersSchema.parse(asked), installed);
/** Models that have a parameter. */
const having = (name: string) => METHOD_IDS.filter((model) => name in methodOf({ model }).defaults).join(', ');

describe('parameters of a model', () => {
  test('the best installed model is the default', () => {
    expect(complete({}).model).toBe('seesr');
    expect(complete({}, modelsNamed(SHIPPED_IDS)).model).toBe('real-esrgan');
    expect(complete({}, modelsNamed(['real-esrgan-fast', 'seesr-turbo'])).model).toBe('real-esrgan-fast');
  });

  test('parameters not asked for have the defaults of GET /v1/models', () => {
    for (const model of METHOD_IDS) expect(complete({ model })).toMatchObject(methodOf({ model }).defaults);
    expect(complete({ model: 'seesr', steps: 20 })).toMatchObject({ steps: 20, guidance_scale: 5.5 });
    expect(complete({ model: 'seesr', tags: { mode: 'replace' } })).toMatchObject({ tags: { list: [] } });
  });

  test('every default is a value that may be asked for, and every parameter has a model', () => {
    for (const model of METHOD_IDS) {
      const asked = requestedParametersSchema.parse({ model, ...methodOf({ model }).defaults });
      expect(asked).toMatchObject(methodOf({ model }).defaults);
    }
    const used = new Set(METHOD_IDS.flatMap((model) => Object.keys(methodOf({ model }).defaults)));
    expect([...used].sort()).toEqual(Object.keys(MODEL_PARAMETERS).sort());
  });

  test.each([
    [{ model: 'real-esrgan', steps: 4 }, `real-esrgan has no parameter steps (${having('steps')} has it).`],
    [
      { model: 'seesr-turbo', guidance_scale: 2 },
      `seesr-turbo has no parameter guidance_scale (${having('guidance_scale')} has it).`,
    ],
    [
      { model: 'seesr', tags: { mode: 'auto', list: ['a'] } },
      'tags.list has 1 tags, which tags.mode auto does not use.',
    ],
    [
      { model: 'seesr', start_point: 'noise', start_steps: 400 },
      'start_steps 400 has no meaning with start_point noise.',
    ],
    [{ model: 'seesr-turbo', start_steps: 400 }, 'start_steps 400 leaves too few steps; it is at least 499.'],
    [
      { model: 'seesr', scheduler: 'dpm-solver++', steps: 30, start_steps: 20 },
      'start_steps 20 leaves too few steps; it is at least 30.',
    ],
  ])('refuses %j by name', (asked, message) => {
    expect(() => complete(asked)).toThrow(expect.objectContaining({ code: 'invalid', message }));
  });

  test('a start inside the steps of turbo is taken', () => {
    expect(complete({ model: 'seesr-turbo', start_steps: 499 })).toMatchObject({ start_steps: 499 });
    expect(complete({ model: 'seesr-turbo', start_steps: 300, steps: 4 })).toMatchObject({ start_steps: 300 });
  });
});

describe('the format that is not asked for', () => {
  const settled = (asked: object, format: 'heic' | 'jpeg' | 'tiff') => {
    const input = { width: 1, height: 1, bytes: 1, format };
    return settleParameters({ parameters: complete(asked), format_open: true }, input).format;
  };

  test('is JPEG of a HEIC photo, where 8 bits will do', () => {
    expect([settled({}, 'heic'), settled({ bit_depth: 8 }, 'heic')]).toEqual(['jpeg', 'jpeg']);
    expect([settled({ bit_depth: 16 }, 'heic'), settled({}, 'jpeg'), settled({}, 'tiff')]).toEqual([
      'png',
      'png',
      'png',
    ]);
  });
});

describe('the fidelity dial', () => {
  test('sets parameters not asked for, and only those', () => {
    const dialed = (asked: object) => complete({ model: 'seesr', ...asked });
    expect(dialed({ fidelity: 0 })).toMatchObject({ start_steps: 999, guidance_scale: 5.5, conditioning_scale: 1 });
    expect(dialed({ fidelity: 0.5 })).toMatchObject({ start_steps: 599, guidance_scale: 3.25, conditioning_scale: 1 });
    expect(dialed({ fidelity: 1 })).toMatchObject({ start_steps: 199, guidance_scale: 1 });
    expect(dialed({ fidelity: 1, start_steps: 800 })).toMatchObject({ start_steps: 800, guidance_scale: 1 });
    expect(dialed({ fidelity: 1, guidance_scale: 4 })).toMatchObject({ start_steps: 199, guidance_scale: 4 });
    // Nothing but noise cannot be skipped.
    expect(dialed({ fidelity: 1, start_point: 'noise' })).toMatchObject({ start_steps: 999, guidance_scale: 1 });
  });

  test('leaves turbo a step, and knows nothing else of super-resolution', () => {
    expect(complete({ model: 'seesr-turbo', fidelity: 1 })).toMatchObject({ start_steps: 499 });
    expect(complete({ model: 'seesr-turbo', fidelity: 1, steps: 10 })).toMatchObject({ start_steps: 199 });
    expect(complete({ model: 'seesr-turbo', fidelity: 1 })).not.toHaveProperty('guidance_scale');
    expect(complete({ model: 'real-esrgan', fidelity: 0.5 })).not.toHaveProperty('start_steps');
  });
});
