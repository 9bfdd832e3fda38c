import { type Document, resolve, type Schema } from './openapi-document.ts';
import { Prose } from './prose.tsx';

const DEEPEST = 4;

interface SchemaProps {
  document: Document;
  schema: Schema;
  depth?: number;
}

/** The members of an object, or of the objects in a list, each with type, limits and meaning. */
export function SchemaView({ document, schema: given, depth = 0 }: SchemaProps) {
  const { schema } = resolve(document, given);
  const alternatives = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (alternatives) {
    return alternatives.map((alternative, index) => (
      <SchemaView key={index} document={document} schema={alternative} depth={depth} />
    ));
  }
  if (schema.items) return <SchemaView document={document} schema={schema.items} depth={depth} />;
  if (!schema.properties || depth > DEEPEST) return null;
  return (
    <dl class="members">
      {Object.entries(schema.properties).map(([name, member]) => (
        <div key={name}>
          <dt>
            <code>{name}</code> <span class="quiet">{typeOf(document, member)}</span>
            {schema.required?.includes(name) && <span class="required">required</span>}
          </dt>
          <dd>
            <Prose text={resolve(document, member).schema.description} />
            <SchemaView document={document} schema={member} depth={depth + 1} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** `integer, 1 to 100, default 90`. */
export function typeOf(document: Document, given: Schema): string {
  const { schema, name } = resolve(document, given);
  const { enum: options, const: constant, minimum, maximum, minLength, maxLength, default: fallback } = schema;
  const alternatives = schema.anyOf ?? schema.oneOf;
  const limits = [minimum ?? minLength, maximum ?? maxLength];
  const isText = schema.type === 'string';
  const type = options
    ? options.map((option) => JSON.stringify(option)).join(' | ')
    : constant !== undefined
      ? JSON.stringify(constant)
      : schema.items
        ? `list of ${typeOf(document, schema.items)}`
        : (alternatives?.map((one) => typeOf(document, one)).join(' | ') ?? name ?? String(schema.type ?? 'anything'));
  return [
    type,
    schema.type !== 'integer' && schema.format,
    rangeOf(limits, isText ? ' characters' : ''),
    fallback !== undefined && `default ${JSON.stringify(fallback)}`,
  ]
    .filter(Boolean)
    .join(', ');
}

function rangeOf([least, most]: (number | undefined)[], unit: string): string {
  // zod states the limits of safe integers where no others are given.
  const isGiven = (limit: number | undefined) => limit !== undefined && Math.abs(limit) < Number.MAX_SAFE_INTEGER;
  if (isGiven(least) && isGiven(most)) return `${least} to ${most}${unit}`;
  if (isGiven(least)) return `at least ${least}${unit}`;
  return isGiven(most) ? `at most ${most}${unit}` : '';
}
