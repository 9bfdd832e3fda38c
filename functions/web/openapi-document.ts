/** The parts of an OpenAPI 3.1 document that the reference shows. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}

interface Content {
  schema?: Schema;
  example?: unknown;
}

interface Operation {
  summary: string;
  description?: string;
  tags?: string[];
  security?: unknown[];
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema: Schema }[];
  requestBody?: { content: Record<string, Content> };
  responses: Record<string, { description: string; content?: Record<string, Content> }>;
}

export interface Document {
  info: { title: string; description: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Entry {
  /** Of the heading, for links. */
  id: string;
  method: string;
  path: string;
  operation: Operation;
}

/** Operations by tag, both in the order of the document. */
export function groupByTag({ paths }: Document): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = operation.tags?.[0] ?? 'other';
      const id = `${method}${path.replaceAll(/[^\w]+/g, '-')}`;
      groups.set(tag, [...(groups.get(tag) ?? []), { id, method, path, operation }]);
    }
  }
  return groups;
}

/** The variables of the examples, for a shell. */
export const EXAMPLE_VARIABLES = '`KEY` (an API key), `ID` (of the object in the path) and `UPLOAD_ID`';

/** A call for bash that works once `EXAMPLE_VARIABLES` are set. */
export function curlOf({ servers }: Document, { method, path, operation }: Entry): string {
  const { requestBody, responses, security } = operation;
  const url = `${servers[0]?.url ?? ''}${path.replaceAll(/\{\w*id\}/g, '$ID')}`;
  const example = requestBody?.content['application/json']?.example;
  const kinds = Object.values(responses).flatMap(({ content = {} }) => Object.keys(content));
  const isFile = kinds.includes('application/octet-stream');
  const isStream = kinds.includes('text/event-stream');
  return [
    ['curl', isStream && '-N', method !== 'get' && `-X ${method.toUpperCase()}`, `"${url}"`].filter(Boolean).join(' '),
    security && '-H "Authorization: Bearer $KEY"',
    isFile && `-L -o ${path.split('/').at(-1)}`, // it is where the redirect leads to
    example !== undefined && `-H 'Content-Type: application/json'`,
    example !== undefined && `-d ${quoted(JSON.stringify(example))}`,
  ]
    .filter(Boolean)
    .join(' \\\n  ');
}

/** For bash. The ids of the examples are nobody's: variables take their place. */
function quoted(json: string): string {
  const id = /upl_[0-9a-z]{26}/g;
  if (!json.match(id)) return `'${json.replaceAll("'", `'\\''`)}'`;
  return `"${json.replaceAll(/[\\"$`]/g, '\\$&').replaceAll(id, '$UPLOAD_ID')}"`;
}

/** The schema behind a `$ref`, under its name. */
export function resolve({ components }: Document, schema: Schema): { schema: Schema; name?: string } {
  const name = schema.$ref?.split('/').at(-1);
  const target = name === undefined ? undefined : components.schemas[name];
  return target && name !== undefined ? { schema: { ...target, ...schema }, name } : { schema };
}
