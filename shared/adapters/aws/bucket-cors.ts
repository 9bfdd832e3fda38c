/**
 * What pages of any origin may do with a signed URL of the bucket; nobody may do anything without one. Every header that
 * `signUpload` asks for is named.
 */
export const BUCKET_CORS = {
  allowOrigins: ['*'],
  allowMethods: ['GET', 'HEAD', 'PUT', 'POST'] satisfies Method[] as Method[],
  allowHeaders: ['content-type', 'if-none-match'],
};

type Method = 'GET' | 'HEAD' | 'PUT' | 'POST';
