import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { METHOD_IDS } from '../../shared/methods/registry.ts';
import { requestedParametersSchema } from '../../shared/parameters.ts';

/** The parameters of a restoration as options of the command line: all that the schema of the API has. */

export type RequestedParameters = z.output<typeof requestedParametersSchema>;
export type OptionValues = Record<string, string | boolean | undefined>;

type Field = z.core.JSONSchema.JSONSchema;
const FIELDS = z.toJSONSchema(requestedParametersSchema, { io: 'input' }).properties as Record<string, Field>;

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Parameters that are objects, as one word. The schema refuses a word that cannot be read. */
const COMPOUNDS: Record<string, { choices: string; read: (text: string) => unknown }> = {
  tags: { choices: 'append:TAG,TAG | replace:TAG,TAG', read: readTags },
  target: { choices: '1920x1080 | 1920x | x1080 | 24MP', read: readTarget },
};

/** Of the command line: numbers too come as text. */
export const PARAMETER_OPTIONS = Object.fromEntries(
  Object.entries(FIELDS).map(([name, field]) => {
    const usual = field.default === undefined ? '' : ` (default ${field.default})`;
    return [optionOf(name), { value: choicesOf(name, field), about: `${field.description}${usual}` }];
  }),
);

/** Checked by the same schema as a request to the API. Throws `malformed` with every rule that is broken. */
export function readParameters(values: OptionValues): RequestedParameters {
  const problems: string[] = [];
  const given: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const text = values[optionOf(name)];
    if (typeof text !== 'string') continue;
    const compound = COMPOUNDS[name];
    if (compound) given[name] = compound.read(text);
    else if (!isNumeric(field)) given[name] = text;
    else if (NUMBER.test(text)) given[name] = Number(text);
    else problems.push(`--${optionOf(name)} "${text}": it must be a number`);
  }
  const requested = requestedParametersSchema.safeParse(given);
  for (const { path, message } of requested.error?.issues ?? []) {
    const option = optionOf(String(path[0]));
    problems.push(`--${option} ${values[option]}: ${message}`);
  }
  if (!requested.success || problems.length > 0) throw new AppError('malformed', problems.join('; '));
  return requested.data;
}

function choicesOf(name: string, field: Field): string {
  if (name === 'model') return `${METHOD_IDS.join(' | ')} | NAME of one that was added`;
  const compound = COMPOUNDS[name];
  if (compound) return compound.choices;
  if (field.enum) return field.enum.join(' | ');
  return isNumeric(field) ? `${field.minimum}..${field.maximum}` : 'TEXT';
}

function isNumeric({ type }: Field): boolean {
  return type === 'number' || type === 'integer';
}

function readTags(text: string) {
  const [mode, ...list] = text.split(/[:,]/);
  return { mode, list };
}

/** The schema refuses any other form. */
function readTarget(text: string) {
  const [, width, height, megapixels] = /^(\d+)?x(\d+)?$|^(\d*\.?\d+)MP$/i.exec(text) ?? [];
  const given = Object.entries({ width, height, megapixels });
  return Object.fromEntries(given.flatMap(([name, value]) => (value ? [[name, Number(value)]] : [])));
}

function optionOf(parameter: string): string {
  return parameter.replaceAll('_', '-');
}
