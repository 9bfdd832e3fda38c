import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { statusOf } from './aws-trouble.ts';

/**
 * The SDK's client as the object store needs it. Bodies are signed by their hash, so no checksums are added besides: in a
 * signed URL they would be those of an empty body.
 */
export function createS3Client(config: S3ClientConfig): S3Client {
  const client = new S3Client({
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...config,
  });
  // S3 answers 409 to a writer that meets another one, which may yet fail. The SDK repeats errors that have this mark.
  client.middlewareStack.add(
    (next) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        if (statusOf(error) === 409) Object.assign(error as Error, { $retryable: {} });
        throw error;
      }
    },
    { step: 'deserialize', priority: 'high' },
  );
  return client;
}
