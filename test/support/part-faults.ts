import type { Harm, ProxiedRequest } from './harmful-proxy.ts';
import type { PARTS } from './troubled-stores.ts';
import { type Fault, siteOf } from './world.ts';

/** Harm of S3, SQS and DynamoDB to requests, at every call that an adapter makes. */

type Part = (typeof PARTS)[number];

const JSON_TYPE = { 'content-type': 'application/x-amz-json-1.0' };

const xml = (status: number, code: string, headers = {}): Harm => ({
  status,
  headers: { 'content-type': 'application/xml', ...headers },
  body: `<Error><Code>${code}</Code><Message>No.</Message></Error>`,
});
const json = (status: number, name: string, more: object = {}): Harm => ({
  status,
  headers: JSON_TYPE,
  body: JSON.stringify({ __type: `com.amazonaws#${name}`, message: 'no', ...more }),
});

const of3 = (s3: Harm, sqs: Harm, dynamo: Harm = sqs): Record<Part, Harm> => ({ s3, sqs, dynamo });
const same = (harm: Harm) => of3(harm, harm);

/** A call that may be hit. `isNew`: nobody has asked for this before; `attempt`: from 0. */
interface Call {
  isNew: boolean;
  attempt: number;
  request: ProxiedRequest;
}
type IsHit = (call: Call) => boolean;

/** Of whom nobody answers; SQS hides a message whose receiver has gone for a minute and a half. */
const SILENCE_MILLISECONDS: Record<Part, number> = { s3: 200, sqs: 1000, dynamo: 200 };
/** No machine is so busy. */
export const PATIENT_MILLISECONDS = 30_000;

/** All tries, so that the SDK gives up. */
const wholly: IsHit = ({ isNew }) => isNew;
/** And besides the first try of every call: where it has happened all the same, the SDK's repeat can do harm too. */
const everyTime: IsHit = ({ isNew, attempt }) => isNew || attempt === 0;
/** The wait for an answer that does not come ends with a time-out: once is enough. */
const once: IsHit = ({ isNew, attempt }) => isNew && attempt === 0;

const AT_EVERY_CALL: Record<string, [IsHit, Record<Part, Harm>]> = {
  'does not get requests': [wholly, same('lost')],
  'loses answers': [everyTime, same('unanswered')],
  'gets requests twice': [everyTime, same('doubled')],
  'says nothing': [once, same('silent')],
  'is out of order': [wholly, same({ status: 500, body: '' })],
  'asks for patience': [
    wholly,
    of3(xml(503, 'SlowDown'), json(400, 'ThrottlingException'), json(400, 'ProvisionedThroughputExceededException')),
  ],
  // The SDK repeats none of these.
  'takes the clock for wrong': [wholly, of3(xml(403, 'RequestTimeTooSkewed'), json(400, 'InvalidSignatureException'))],
  'takes the keys for expired': [wholly, of3(xml(400, 'ExpiredToken'), json(400, 'ExpiredTokenException'))],
};

/**
 * Tells calls apart by caller, verb of the port, subject, and number of the request among those of the verb. A repeat
 * after a failure asks for the same again, and nothing of this is new then: so every call is hit, and everything gets
 * through in the end.
 */
function tellCalls() {
  const names = new Set<string>();
  const calls = new Map<string, boolean>();
  const runs = new Map<number, number>();
  return (request: ProxiedRequest): Call | undefined => {
    const { call, attempt, asked } = request;
    // A request without a purpose is for the file of a client, which has a patience of its own.
    if (call === undefined || asked === undefined) return undefined;
    if (!calls.has(call)) {
      const number = runs.get(asked.run) ?? 0;
      runs.set(asked.run, number + 1);
      const { who, verb, subject, command } = asked;
      const name = [who, verb, subject, command, number].join();
      calls.set(call, !names.has(name));
      names.add(name);
    }
    return { isNew: calls.get(call)!, attempt: attempt! - 1, request };
  };
}

function ofPart(part: Part, harm: Harm, isHit: IsHit): Fault {
  return {
    only: 'AWS',
    begin({ place, stores }, mayHit = () => true) {
      if (harm === 'silent') stores!.giveUpAfter(part, SILENCE_MILLISECONDS[part]);
      const tell = tellCalls();
      const hit = new Set<string>();
      stores!.proxies[part].doHarm((request) => {
        const call = tell(request);
        if (!call || !mayHit(siteOf(request.asked!)) || !isHit(call)) return undefined;
        hit.add(siteOf(request.asked!));
        return harm;
      });
      const end = () => {
        stores!.doNoHarm();
        stores!.giveUpAfter(part, PATIENT_MILLISECONDS);
      };
      return { place, hit, end };
    },
  };
}

export function atEveryCall(): Record<string, Fault> {
  const faults = Object.entries(AT_EVERY_CALL).flatMap(([what, [isHit, harms]]) =>
    (Object.entries(harms) as [Part, Harm][]).map(
      ([part, harm]) => [`${part} ${what}`, { part, ...ofPart(part, harm, isHit) }] as const,
    ),
  );
  return Object.fromEntries(faults);
}

/** Of each verb the first such request, the third, and so on: the second is the repeat. */
function everyOther(is: (request: ProxiedRequest) => boolean): IsHit {
  const runs = new Map<number, number>();
  return ({ request }) => {
    if (!is(request)) return false;
    const { run } = request.asked!;
    const number = runs.get(run) ?? 0;
    runs.set(run, number + 1);
    return number % 2 === 0;
  };
}
const isTransaction = ({ operation }: ProxiedRequest) => operation === 'TransactWriteItems';

/** Faults that some calls only can have. */
export const AT_SOME_CALLS: Record<string, Fault> = {
  's3 breaks off in the middle of a file': ofPart(
    's3',
    'cut',
    ({ isNew, request }) => isNew && request.method === 'GET',
  ),
  's3 has another writer': ofPart(
    's3',
    xml(409, 'ConditionalRequestConflict'),
    ({ attempt, request }) => attempt === 0 && request.method === 'PUT',
  ),
  'dynamo has another writer': ofPart(
    'dynamo',
    json(400, 'TransactionCanceledException', { CancellationReasons: [{ Code: 'TransactionConflict' }] }),
    everyOther(isTransaction),
  ),
  'dynamo is still at it': ofPart('dynamo', json(400, 'TransactionInProgressException'), everyOther(isTransaction)),
};
