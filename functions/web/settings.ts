import type { ModelList } from '../../shared/client.ts';

/** What can be asked of a restoration, read from the service itself: its models and its OpenAPI document. */

export type Model = ModelList['data'][number];
/** What was chosen; what is absent is left to the service. */
export type Choices = Record<string, unknown>;

/** The part of a JSON schema that a form can show. */
export interface Field {
  name: string;
  description?: string;
  type?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
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

/** Of every model. `scale` and `fidelity` have their own place in the form. */
const COMMON = ['format', 'quality', 'metadata', 'seed'];

export async function readFields(): Promise<Field[]> {
  const document = (await (await fetch('/openapi.json')).json()) as OpenApi;
  const { schema } = document.paths['/v1/jobs'].post.requestBody.content['application/json'];
  return Object.entries(schema.properties).map(([name, field]) => ({ name, ...field }));
}

/** What the form shows for the model, in the order of the document; the defaults are the model's. */
export function fieldsOf(model: Model, fields: readonly Field[]): Field[] {
  const own = model.parameters as Record<string, unknown>;
  return fields
    .filter(({ name, type, enum: options }) => (name in own || COMMON.includes(name)) && (options || type !== 'object'))
    .filter(({ name }) => name !== 'fidelity')
    .map((field) => ({ ...field, default: own[field.name] ?? field.default }));
}

/** Without what another model would refuse. */
export function choicesFor(model: Model, choices: Choices): Choices {
  const known = Object.entries(choices).filter(
    ([name]) => name in model.parameters || COMMON.includes(name) || name === 'scale',
  );
  return { ...Object.fromEntries(known), model: model.id };
}
