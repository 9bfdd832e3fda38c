import { z } from 'zod';
import type { FormWords } from '../shared/methods/form-words.ts';
import type { Method } from '../shared/methods/method.ts';
import { MODEL_PARAMETERS } from '../shared/methods/parameters.ts';
import { METHODS } from '../shared/methods/registry.ts';

/** `docs/methods.md`, from the declarations: `npm run docs` writes it. */
export function methodDocs(): string {
  return `# Methods

\`npm run docs\` writes this page from [\`shared/methods\`](../shared/methods). In the API a method is a \`model\`; the first of
these that is installed is the default. \`GET /v1/models\` says which are there, and their prices. Models of others that were
added work by two more, \`esrgan\` and \`compact\`: [added-models.md](added-models.md).

${table(
  ['model', 'name', 'description', 'license'],
  METHODS.map(({ id, name, description, license }) => [code(id), name, description, license]),
)}

## Needs, costs and abilities

A price is in micro-units, of the list \`standard\`; seconds are those of two CPU cores, and an estimate rests on them until
jobs have ended here. The network is called for each tile at each step, twice where guidance is above 1. A tile is a part
of the photo, in its pixels, or of the latent; where memory does not suffice the next smaller one is tried.

${table(
  ['model', 'weights', 'price', 'time', 'sides of tiles', 'result', 'interrupted', 'sees tags'],
  METHODS.map((method) => [
    code(method.id),
    method.weights === 'shipped' ? 'ship with the program' : 'built from your files',
    `${method.price.standard} for ${UNITS[method.price.per]}`,
    `${method.pace.seconds} s for ${UNITS[method.pace.per]}`,
    method.tileSizes.join(', '),
    method.isGenerative ? 'generated: labeled so' : 'enhanced',
    method.isResumable ? 'goes on at its last step' : 'begins anew',
    method.seesTags ? 'yes' : 'no',
  ]),
)}

## Parameters

Beside those that all of them have (size, format, seed, …), with their defaults:

${table(
  ['parameter', ...METHODS.map(({ id }) => code(id))],
  Object.keys(MODEL_PARAMETERS).map((name) => [code(name), ...METHODS.map((method) => defaultOf(method, name))]),
)}

${table(
  ['parameter', 'on the page', 'description', 'values'],
  Object.entries(MODEL_PARAMETERS).map(([name, schema]) => [
    code(name),
    (schema.meta()?.['x-form'] as FormWords | undefined)?.title ?? '',
    schema.description ?? '',
    valuesOf(schema),
  ]),
)}

## Fidelity

The dial sets parameters that are not asked for, and the share of the photo, enlarged with nothing invented, in the
result. Where that is all of it, no network runs.

${table(
  ['model', ...DIAL.map((fidelity) => `fidelity ${fidelity}`)],
  METHODS.map((method) => [code(method.id), ...DIAL.map((fidelity) => dialed(method, fidelity))]),
)}
`;
}

const UNITS = {
  output_megapixel: 'a megapixel that the network puts out',
  input_megapixel: 'a megapixel of the photo',
  network_call: 'a call of the network',
};
const DIAL = [0, 0.25, 0.5, 0.75, 1];

function dialed({ fidelity: dial }: Method, fidelity: number): string {
  const steered = Object.entries(dial.steer(fidelity, {})).map(([name, value]) => `${code(name)} ${value}`);
  return [`${Math.round(dial.share(fidelity) * 1000) / 10} % photo`, ...steered].join(', ');
}

function defaultOf({ defaults }: Method, name: string): string {
  return name in defaults ? code(JSON.stringify(defaults[name as keyof typeof defaults])) : '–';
}

function valuesOf(schema: z.ZodType): string {
  const { enum: options, minimum, maximum, maxLength } = z.toJSONSchema(schema, { io: 'input' });
  if (options) return options.map((option) => code(String(option))).join(', ');
  if (minimum !== undefined) return `${minimum} to ${maximum}`;
  return maxLength === undefined ? 'an object' : `up to ${maxLength} characters`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
