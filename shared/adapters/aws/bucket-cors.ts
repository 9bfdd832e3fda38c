/**
 * Rights of pages of any origin with a signed URL of the bucket; nobody may do anything without one. They may send any
 * header: those that `signUpload` asks for, and those that tracing libraries add. Where S3 is not,
 * local/bucket-rules.ts keeps to it.
 */
export const BUCKET_CORS = {
  allowOrigins: ['*'],
  allowMethods: ['GET', 'HEAD', 'PUT', 'POST'] satisfies Method[] as Method[],
  allowHeaders: ['*'],
  exposeHeaders: ['ETag', 'Accept-Ranges', 'Content-Range', 'Content-Disposition'],
  maxAgeSeconds: 3600,
};

type Method = 'GET' | 'HEAD' | 'PUT' | 'POST';
