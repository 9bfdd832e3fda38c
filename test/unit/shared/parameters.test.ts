import { describe, expect, test } from 'vitest';
import { MODEL_IDS, MODEL_PARAMETERS, MODELS, SHIPPED_MODELS } from '../../shared/models.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';

const complete = (asked: object, installed = MODEL_IDS as readonly (typeof MODEL_IDS)[number][]) =>
  completeParameters(requestedParametersSchema.parse(asked), installed);

describe('parameters of a model', () => {
  test('the best installed model is the default', () => {
    expect(complete({}).model).toBe('seesr');
    expect(complete({}, SHIPPED_MODELS).model).toBe('real-esrgan');
    expect(complete({}, ['real-esrgan-fast', 'seesr-turbo']).model).toBe('real-esrgan-fast');
  });

  test('what is not asked for is what GET /v1/models tells', () => {
    for (const model of MODEL_IDS) expect(complete({ model })).toMatchObject(MODELS[model].defaults);
    expect(complete({ model: 'seesr', steps: 20 })).toMatchObject({ steps: 20, guidance_scale: 5.5 });
    expect(complete({ model: 'seesr', tags: { mode: 'replace' } })).toMatchObject({ tags: { list: [] } });
  });

  test('every default is a value that may be asked for, and every parameter has a model', () => {
    for (const model of MODEL_IDS) {
      const asked = requestedParametersSchema.parse({ model, ...MODELS[model].defaults });
      expect(asked).toMatchObject(MODELS[model].defaults);
    }
    const used = new Set(MODEL_IDS.flatMap((model) => Object.keys(MODELS[model].defaults)));
    expect([...used].sort()).toEqual(Object.keys(MODEL_PARAMETERS).sort());
  });

  test.each([
    [{ model: 'real-esrgan', steps: 4 }, 'real-esrgan has no parameter steps (seesr, seesr-turbo has it).'],
    [{ model: 'seesr-turbo', guidance_scale: 2 }, 'seesr-turbo has no parameter guidance_scale (seesr has it).'],
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

describe('the fidelity dial', () => {
  test('sets what was not asked for, and only that', () => {
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
