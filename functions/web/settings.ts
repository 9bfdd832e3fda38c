import type { ModelList } from '../../shared/client.ts';
import type { FormWords } from '../../shared/methods/form-words.ts';
import { readDocument } from './read-document.ts';
import { formatName } from './words.ts';

/** The choices for a restoration, read from the service itself: its models and its OpenAPI document. */

export type Model = ModelList['data'][number];
/** Chosen values; absent ones are left to the service. */
export type Choices = Record<string, unknown>;

/** The part of a JSON schema that a form can show. */
export interface Field {
  name: string;
  description?: string;
  type?: string;
  enum?: (string | number)[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  /** In words that need no knowledge of the method; a field without them keeps those of the service. */
  'x-form'?: FormWords;
}

export function titleOf({ name, 'x-form': words }: Field): string {
  return words?.title ?? formatName(name);
}

/** Of a model that was added, and of one that must not be sold. */
export function isLicenseTold({ id, method, commercial_use }: Model): boolean {
  return method !== id || commercial_use === false;
}

interface OpenApi {
  paths: {
    '/v1/jobs': {
      post: {
        requestBody: {
          content: { 'application/json': { schema: { properties: Record<string, Omit<Field, 'name'>> } } };
        };
      };
    };
  };
}

/** Of every model. Size and `fidelity` have their own place in the form. */
const COMMON = ['format', 'bit_depth', 'quality', 'metadata', 'seed'];
const SIZE = ['scale', 'target'];

export async function readFields(signal: AbortSignal): Promise<Field[]> {
  const document = await readDocument<OpenApi>(signal);
  const { schema } = document.paths['/v1/jobs'].post.requestBody.content['application/json'];
  return Object.entries(schema.properties).map(([name, field]) => ({ name, ...field }));
}

/** The fields of the form for the model, in the order of the document; the defaults are the model's. */
export function fieldsOf(model: Model, fields: readonly Field[]): Field[] {
  const own = model.parameters as Record<string, unknown>;
  return fields
    .filter(({ name, type, enum: options }) => (name in own || COMMON.includes(name)) && (options || type !== 'object'))
    .filter(({ name }) => name !== 'fidelity')
    .map((field) => ({ ...field, default: own[field.name] ?? field.default }));
}

/** Without choices that the model would refuse. */
export function choicesFor(model: Model, choices: Choices): Choices {
  const known = Object.entries(choices).filter(
    ([name]) => name in model.parameters || COMMON.includes(name) || SIZE.includes(name),
  );
  const { scale, ...others } = Object.fromEntries(known);
  const fits = typeof scale !== 'number' || scale <= model.scale;
  return { ...others, ...(scale !== undefined && fits && { scale }), model: model.id };
}
