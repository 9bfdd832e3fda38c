import type { InstalledModel } from '../../shared/methods/model-facts.ts';
import { METHOD_IDS, methodOf, OWN_MODELS } from '../../shared/methods/registry.ts';
import { TOLD_BY_MODELS } from '../../shared/parameters.ts';
import { commonHeaders } from './response-headers.ts';

/** The rules of every route are added to the document here, so that no route can forget them. */

interface Schema {
  type?: string | string[];
  required?: string[];
  format?: string;
  maximum?: number;
  default?: unknown;
  enum?: unknown[];
  pattern?: string;
  [TOLD_BY_MODELS]?: unknown;
}
interface Operation {
  security?: unknown[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { headers?: Record<string, unknown> }>;
}
interface Document {
  paths?: Record<string, unknown>;
}

const MAX_INT32 = 2 ** 31 - 1;

/** `installed`: the models that may be asked for here. */
export function finishDocument<Some extends Document>(document: Some, installed: readonly InstalledModel[]): Some {
  for (const operation of Object.values(document.paths ?? {}).flatMap((item) => Object.values(item as Operation[]))) {
    allowNoBody(operation);
    for (const [status, response] of Object.entries(operation.responses)) {
      const headers = { ...commonHeaders(status, operation.security !== undefined), ...response.headers };
      if (Object.keys(headers).length > 0) response.headers = headers;
    }
  }
  adaptSchemas(document, installed);
  return document;
}

function adaptSchemas(node: unknown, installed: readonly InstalledModel[]): void {
  if (typeof node !== 'object' || node === null) return;
  tellModels(node as Schema, installed);
  tellWidth(node as Schema);
  tellBoolean(node as Schema);
  for (const inner of Object.values(node)) adaptSchemas(inner, installed);
}

/**
 * Which there are is configuration, and the schemas are the same everywhere. Methods are listed whether they are here or
 * not: the refusal says more than the document could.
 */
function tellModels(schema: Schema, installed: readonly InstalledModel[]): void {
  const told = schema[TOLD_BY_MODELS];
  delete schema[TOLD_BY_MODELS];
  if (told === 'ids') {
    delete schema.pattern;
    schema.enum = [...new Set([...METHOD_IDS, ...installed.map(({ model }) => model)])];
  } else if (told === 'scale') {
    const scales = [...OWN_MODELS, ...installed].map((model) => methodOf(model).scale);
    schema.maximum = Math.max(...scales);
    // Generated clients send a default along, which not every model could make.
    if (scales.some((scale) => scale !== schema.default)) delete schema.default;
  }
}

/** A missing body counts as an empty one, so that a body in which no field is required may be left out. */
function allowNoBody({ requestBody }: Operation): void {
  const schema = requestBody?.content['application/json']?.schema;
  if (requestBody && schema?.type === 'object' && !schema.required) requestBody.required = false;
}

/** `true` alone is told as a boolean: generators make a class of words of a list of one boolean. */
function tellBoolean(schema: Schema): void {
  if (schema.type === 'boolean') delete schema.enum;
}

/** Without it, generators take 32 bits for every integer: of a currency whose unit is a million, 2,147 units. */
function tellWidth(schema: Schema): void {
  if (schema.type === 'integer')
    schema.format = (schema.maximum ?? Number.POSITIVE_INFINITY) > MAX_INT32 ? 'int64' : 'int32';
}
