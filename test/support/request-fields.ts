import { bodyOf, type Service } from './service.ts';

interface Schema {
  $ref?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
}

interface Document {
  paths: Record<string, { post?: { requestBody?: { content: Record<string, { schema: Schema }> } } }>;
  components: { schemas: Record<string, Schema> };
}

/** Every field that the document says the body of `POST path` can have, those of objects by `object.field`; sorted. */
export async function documentedFields(service: Service, path: string): Promise<string[]> {
  const { paths, components } = await bodyOf<Document>(service.call('GET', '/openapi.json'));
  const resolve = ({ $ref, ...schema }: Schema): Schema =>
    $ref === undefined ? schema : components.schemas[$ref.split('/').at(-1)!]!;
  const fieldsOf = (given: Schema, at: string): string[] => {
    const { anyOf = [], oneOf = [], allOf = [], items, properties = {} } = resolve(given);
    const own = Object.entries(properties).flatMap(([name, schema]) => {
      const field = at === '' ? name : `${at}.${name}`;
      const inner = fieldsOf(schema, field);
      // An object has the effects of its fields.
      return inner.length > 0 ? inner : [field];
    });
    const others = [...anyOf, ...oneOf, ...allOf].flatMap((schema) => fieldsOf(schema, at));
    return [...own, ...others, ...(items ? fieldsOf(items, `${at}[]`) : [])];
  };
  const { schema } = paths[path]!.post!.requestBody!.content['application/json']!;
  return [...new Set(fieldsOf(schema, ''))].toSorted();
}
