/** Makes browsers save an answer under a name (RFC 6266); the first form is for programs that know no other. */
export function attachment(filename: string): string {
  const ascii = filename.replaceAll(/[^ !#-[\]-~]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encodeURIComponent(filename)}`;
}
