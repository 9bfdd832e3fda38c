import { z } from 'zod';
import { parseAllowHosts } from './allow-hosts.ts';
import { AppError } from './error.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { isLogLevel } from './log.ts';
import { type InstalledModel, MODEL_NAME, type ModelFacts, modelFactsSchema } from './methods/model-facts.ts';
import { METHOD_IDS } from './methods/registry.ts';
import { nearMiss } from './near-miss.ts';
import { orIssue } from './or-issue.ts';
import { parsePrices } from './pricing.ts';
import { parseRateLimits } from './rate-limits.ts';
import { DEFAULT_SCALING } from './scaling.ts';

/** Configuration by environment variables: those of every place, and how they are read. */

/** Of a value, in messages. */
const MAX_TOLD = 200;

const modelFactsByNameSchema = z.record(z.string().regex(MODEL_NAME), modelFactsSchema);

export const publicUrlVariable = z.string().transform(orIssue(readPublicUrl));

/** Limits of photos and results, of the API, the worker and the command line. */
const limitVariables = {
  MAX_UPLOAD_BYTES: countVariable(DEFAULT_LIMITS.max_upload_bytes, 2 ** 31 - 1),
  MAX_INPUT_PIXELS: countVariable(DEFAULT_LIMITS.max_input_pixels, 2 ** 31 - 1),
  MAX_OUTPUT_PIXELS: countVariable(DEFAULT_LIMITS.max_output_pixels, 2 ** 31 - 1),
  HEIC: z.stringbool().default(false),
};

export const sharedVariables = {
  PUBLIC_URL: publicUrlVariable.optional(),
  LOG_LEVEL: z.string().toLowerCase().refine(isLogLevel, 'one of info, warn, error, silent').default('info'),
  ...limitVariables,
  ALLOW_HTTP_FETCH: z.stringbool().default(false),
  FETCH_ALLOW_HOSTS: z.string().default('').transform(orIssue(parseAllowHosts)),
  PRICES: z.string().default('free').transform(orIssue(parsePrices)),
  ACCEPT_NONCOMMERCIAL: z.stringbool().default(false),
  RATE_LIMITS: z.string().default('default').transform(orIssue(parseRateLimits)),
};

/** Paths of the service itself: a prefix that a proxy has taken away could not be told from the rest. */
const OWN_PATH = /^\/(?:v1|blobs|docs|web)(?:\/|$)/;

function readPublicUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw new Error('a URL such as https://api.example.com/photos');
  if (url.username || url.password || /[?#]/.test(text)) throw new Error('nothing but an origin and a path');
  if (OWN_PATH.test(url.pathname)) throw new Error('a path that does not begin with /v1, /blobs, /docs or /web');
  return url.href;
}

/** A whole number from `min` to `max`. */
export function countVariable(fallback: number, max: number, min = 1) {
  return wholeVariable(max, min).default(fallback);
}

/** The same where there is no default. */
export function wholeVariable(max: number, min = 1) {
  const number = z
    .string()
    .regex(/^\d{1,15}$/, 'a whole number in digits')
    .transform(Number);
  return number.pipe(z.int().min(min).max(max));
}

/** Some of these, separated by commas. */
export const modelVariables = {
  /** Ids of methods, and names of models that were added. */
  MODELS: z.string().transform((list) => list.split(',').map((item) => item.trim())),
  /** Of models that were added, by their names, as `npm run models -- facts` tells them: the API does not have them. */
  MODEL_FACTS: z.string().default('{}').transform(orIssue(parseModelFacts)),
};

/** Throws an Error that names the fault. */
function parseModelFacts(text: string): Record<string, ModelFacts> {
  const parsed = modelFactsByNameSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}

/** Throws `invalid` for a name that is neither a method nor has facts. */
export function installedModels(variables: z.output<z.ZodObject<typeof modelVariables>>): InstalledModel[] {
  const { MODELS: names, MODEL_FACTS: facts } = variables;
  return [...new Set(names)].map((model) => {
    if (METHOD_IDS.some((id) => id === model)) return { model };
    const model_facts = facts[model];
    if (model_facts) return { model, model_facts };
    const known = [...METHOD_IDS, ...Object.keys(facts)].join(', ');
    const advice = 'Of a model that was added, "npm run models -- facts NAME" prints its entry of MODEL_FACTS';
    throw new AppError('invalid', `MODELS has ${model}; it may have ${known}. ${advice}.`);
  });
}

/** Of the scaler on AWS. */
export const scalerVariables = {
  MIN_WORKERS: countVariable(DEFAULT_SCALING.min, 1000, 0),
  MAX_WORKERS: countVariable(DEFAULT_SCALING.max, 1000),
  SECONDS_PER_JOB: z.coerce.number().positive().default(DEFAULT_SCALING.secondsPerJob),
  COLD_START_SECONDS: z.coerce.number().positive().default(DEFAULT_SCALING.coldStartSeconds),
  WAIT_SECONDS: z.coerce.number().positive().default(DEFAULT_SCALING.waitSeconds),
};

function limitSettings(variables: z.output<z.ZodObject<typeof limitVariables>>): Limits {
  return {
    max_upload_bytes: variables.MAX_UPLOAD_BYTES,
    max_input_pixels: variables.MAX_INPUT_PIXELS,
    max_output_pixels: variables.MAX_OUTPUT_PIXELS,
    heic: variables.HEIC,
  };
}

/** The same under the names that the program uses. */
export function serviceSettings(variables: z.output<z.ZodObject<typeof sharedVariables>>) {
  return {
    publicUrl: variables.PUBLIC_URL,
    logLevel: variables.LOG_LEVEL,
    outbound: { allowHttp: variables.ALLOW_HTTP_FETCH, allowHosts: variables.FETCH_ALLOW_HOSTS },
    limits: limitSettings(variables),
    prices: variables.PRICES,
    acceptsNoncommercial: variables.ACCEPT_NONCOMMERCIAL,
    rateLimits: variables.RATE_LIMITS,
  };
}

/** Of a program that is no service. Throws `invalid` naming every variable that is wrong. `warn`: see `ReadOptions`. */
export function readLimits(environment: Record<string, string | undefined>, warn?: (sentence: string) => void): Limits {
  return limitSettings(readVariables(z.object(limitVariables), environment, warn && { warn }));
}

interface ReadOptions {
  /** Variables whose values must not be told. */
  secret?: readonly string[];
  /** Is told of variables that this program does not know, but whose names are nearly those of its own. */
  warn?: (sentence: string) => void;
}

/**
 * Reads the environment; an empty variable counts as absent, space around a value is left out, but not around a path. Throws
 * `invalid` naming every variable that is wrong.
 */
export function readVariables<Schema extends z.ZodObject>(
  schema: Schema,
  environment: Record<string, string | undefined>,
  { secret = [], warn = () => {} }: ReadOptions = {},
): z.output<Schema> {
  const names = Object.keys(schema.shape);
  const given: Record<string, string> = {};
  const rules = new Map<string, string>();
  const refuse = (name: string, rule: string) => {
    const text = environment[name] ?? '';
    const value = secret.includes(name) ? '' : `=${isPath(name) ? JSON.stringify(text) : printable(text)}`;
    if (!rules.has(name)) rules.set(name, `${name}${value}: ${rule}`);
  };
  for (const [name, value] of Object.entries(environment)) {
    if (!value) continue;
    if (names.includes(name)) {
      given[name] = isPath(name) ? value : value.trim();
      const fault = faultOf(given[name]) ?? (isPath(name) ? faultOfPath(value) : undefined);
      if (fault) refuse(name, fault);
    } else if (value.trim()) {
      const meant = nearMiss(name, names);
      if (meant && !environment[meant])
        warn(`${printable(name)} is set, which nothing here reads: was ${meant} meant?`);
    }
  }
  const parsed = schema.safeParse(given);
  for (const { path, message } of parsed.error?.issues ?? []) refuse(String(path[0]), message);
  if (parsed.success && rules.size === 0) return parsed.data;
  throw new AppError('invalid', `The configuration is not valid. ${[...rules.values()].join('; ')}`);
}

/** The fault of a value of any variable. JSON may have lines. */
function faultOf(value: string): string | undefined {
  if (!value.trim()) return 'is blank; leave it out, or give it a value';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses them.
  if (/[\u0000-\u0008\u000e-\u001f\u007f]/.test(value) || (!value.startsWith('{') && /[\t-\r]/.test(value))) {
    return 'has a control character';
  }
  if (/^(["']).*\1$/s.test(value)) return 'is in quotes, which are part of it here';
  return undefined;
}

function isPath(name: string): boolean {
  return name.endsWith('_DIR');
}

/** Nothing is taken away from a path: additions of an env file would lead to another folder. */
function faultOfPath(value: string): string | undefined {
  if (value !== value.trim()) return 'begins or ends with a blank';
  if (/[\u0080-\u009f\u200b\u2028\u2029\ufeff]/.test(value)) return 'has a character that nobody sees';
  if (value.startsWith('~')) return 'begins with ~, which only a shell replaces; write the folder out';
  return undefined;
}

function printable(text: string): string {
  const quoted = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return quoted.length > MAX_TOLD ? `${quoted.slice(0, MAX_TOLD).toWellFormed()}…` : quoted;
}
