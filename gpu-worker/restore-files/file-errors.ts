const REASONS: Record<string, string> = {
  EACCES: 'permission is missing',
  EDQUOT: 'the quota is used up',
  EEXIST: 'a file stands in the way',
  EINVAL: 'the file system takes no such name',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its name is too long for the file system',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a file stands in the way',
  EPERM: 'it is protected',
  EROFS: 'the file system is read-only',
};

/** Why a call to the file system failed, in words. */
export function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}
