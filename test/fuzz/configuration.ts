import type { Known } from './known.ts';

/** Of one operation: which known ids go where in its requests. */
type Bindings = Record<string, keyof Omit<Known, 'metricsKey'>>;

/** `METHOD /path` to places of values, as schemathesis names them. Other values are made up. */
const BINDINGS: Record<string, Bindings> = {
  'POST /v1/jobs': { 'body.input.upload_id': 'photos' },
  'POST /v1/quotes': { 'body.input.upload_id': 'photos' },
  'POST /v1/tags': { 'body.upload_id': 'photos' },
  'GET /v1/jobs/{id}': { 'path.id': 'finished' },
  'GET /v1/jobs/{id}/output': { 'path.id': 'finished' },
  'GET /v1/jobs/{id}/heatmap': { 'path.id': 'finished' },
  'GET /v1/jobs/{id}/photo': { 'path.id': 'finished' },
  'GET /v1/jobs/{id}/live_preview': { 'path.id': 'finished' },
  'GET /v1/jobs/{id}/photo_webp': { 'path.id': 'finished' },
  'GET /v1/jobs/{id}/output_webp': { 'path.id': 'finished' },
  ...Object.fromEntries(
    ['output', 'heatmap', 'photo', 'live_preview', 'photo_webp', 'output_webp'].map((name) => [
      `GET /v1/jobs/{id}/${name}_link`,
      { 'path.id': 'finished' as const },
    ]),
  ),
  'GET /v1/jobs/{id}/receipt': { 'path.id': 'finished' },
  // Of a job that has ended the stream ends, too.
  'GET /v1/jobs/{id}/events': { 'path.id': 'finished' },
  'GET /v1/jobs/{id}/events_link': { 'path.id': 'finished' },
  'POST /v1/jobs/{id}/cancel': { 'path.id': 'waiting' },
  'DELETE /v1/jobs/{id}': { 'path.id': 'ended' },
  'GET /v1/batches/{id}': { 'path.id': 'batches' },
  'POST /v1/batches/{id}/cancel': { 'path.id': 'batches' },
  'GET /v1/webhook_endpoints/{id}': { 'path.id': 'receiver' },
  'GET /v1/webhook_endpoints/{id}/secret': { 'path.id': 'receiver' },
  'POST /v1/webhook_endpoints/{id}/rotate_secret': { 'path.id': 'receiver' },
  'POST /v1/webhook_endpoints/{id}/enable': { 'path.id': 'receiver' },
  'POST /v1/webhook_endpoints/{id}/disable': { 'path.id': 'receivers' },
  'POST /v1/webhook_endpoints/{id}/ping': { 'path.id': 'receiver' },
  'DELETE /v1/webhook_endpoints/{id}': { 'path.id': 'receivers' },
  'POST /v1/webhook_deliveries/{id}/replay': { 'path.id': 'deliveries' },
  'DELETE /v1/keys/{id}': { 'path.id': 'keys' },
  'POST /v1/keys/{id}/rotate': { 'path.id': 'keys' },
};

/** A `schemathesis.toml`; its values are written as JSON, which strings, numbers and arrays of TOML are. */
export function schemathesisConfiguration(known: Known, key: string): string {
  const { metricsKey, ...ids } = known;
  const authorization = (secret: string) => `headers = { Authorization = ${JSON.stringify(`Bearer ${secret}`)} }`;
  return [
    authorization(key),
    // Streams of events are read up to their first one.
    'max-stream-events = 1',
    'request-timeout = 10',
    // A request that finds nothing, or is not let in, tests nothing.
    'warnings = { fail-on = ["missing_auth", "missing_test_data", "unmatched_filter"] }',
    ...Object.entries(ids).map(([name, values]) => `[dictionaries.${name}]\nvalues = ${JSON.stringify(values)}`),
    `[[operations]]\ninclude-name = "GET /metrics"\n${authorization(metricsKey)}`,
    ...Object.entries(BINDINGS).map(([operation, bindings]) => {
      const pairs = Object.entries(bindings).map(([place, name]) => `"${place}" = { dictionary = "${name}" }`);
      return `[[operations]]\ninclude-name = "${operation}"\nparameters = { ${pairs.join(', ')} }`;
    }),
  ].join('\n\n');
}
