import { faultError, unreachable } from '../../shared/client-fault.ts';

/** The OpenAPI document of the service. Rejects with a `FaultError` where it does not come. */
export async function readDocument<Document>(signal: AbortSignal): Promise<Document> {
  const response = await fetch('openapi.json', { signal }).catch(unreachable);
  if (response.status >= 500) throw faultError('unreachable', `The service has answered ${response.status}.`);
  try {
    return (await response.json()) as Document;
  } catch {
    throw faultError('foreign', 'The answer is not the description of the service.');
  }
}
