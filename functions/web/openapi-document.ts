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

/** A call that works once KEY and the ids in capitals are filled in. */
export function curlOf({ servers }: Document, { method, path, operation }: Entry): string {
  const url = `${servers[0]?.url ?? ''}${path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => name.toUpperCase())}`;
  const example = operation.requestBody?.content['application/json']?.example;
  return [
    `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}${url}`,
    operation.security && '-H "Authorization: Bearer $KEY"',
    example !== undefined && `-H 'Content-Type: application/json'`,
    example !== undefined && `-d '${JSON.stringify(example)}'`,
  ]
    .filter(Boolean)
    .join(' \\\n  ');
}

/** The schema behind a `$ref`, under its name. */
export function resolve({ components }: Document, schema: Schema): { schema: Schema; name?: string } {
  const name = schema.$ref?.split('/').at(-1);
  const target = name === undefined ? undefined : components.schemas[name];
  return target && name !== undefined ? { schema: { ...target, ...schema }, name } : { schema };
}
