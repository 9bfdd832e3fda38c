/**
 * `host` or `host:port`, separated by commas, as URLs have them: in lower case, IDN in punycode, IPv6 in brackets.
 * Throws for a text that names nobody.
 */
export function parseAllowHosts(text: string): string[] {
  const entries = text.split(',').map((entry) => entry.trim());
  return entries.filter(Boolean).map((entry) => {
    const url = /[/?#@*\s\\]/.test(entry) ? null : URL.parse(`http://${entry}`);
    if (!url) throw new Error(`"${entry}" is no host or host:port such as minio.internal:9000`);
    // The URL leaves out port 80.
    const port = /:0*(\d+)$/.exec(entry.replace(/^\[.*\]/, ''))?.[1];
    return port === undefined ? url.hostname : `${url.hostname}:${port}`;
  });
}
