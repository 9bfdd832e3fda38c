/** How pictures are compared, where programs differ. */
export interface Protocol {
  /** For reports. */
  about: string;
  /** Rows and columns of each border that do not count for PSNR and SSIM. */
  border: number;
  /** The arithmetic of PSNR, SSIM and NIQE: that of pyiqa (github.com/chaofengc/IQA-PyTorch), or the exact one of the papers. */
  arithmetic: 'pyiqa' | 'exact';
  /** MANIQA draws the crops of each picture with it. Absent: they are those of a grid. */
  cropSeed?: number;
}

export const PROTOCOLS = {
  own: {
    about:
      'PSNR and SSIM on the luminance (BT.601, limited range), without 4 pixels of each border; NIQE on the same luminance',
    border: 4,
    arithmetic: 'exact',
  },
  /** Table 2 of SeeSR (cswry/SeeSR, issues 30, 45 and 60). */
  paper: {
    about:
      'as pyiqa computes and the paper calls it: PSNR and SSIM on the luminance (BT.601, limited range), of SSIM in whole levels, ' +
      'without 4 pixels of each border; NIQE on grey levels of the full range',
    border: 4,
    arithmetic: 'pyiqa',
  },
} as const satisfies Record<string, Protocol>;

/** The same, and told so. pyiqa drew from one stream for all pictures, so that a score depended on those before. */
export function withDrawnCrops(protocol: Protocol, cropSeed: number): Protocol {
  const about = `${protocol.about}; MANIQA on 20 crops that seed ${cropSeed} draws, of each picture anew`;
  return { ...protocol, about, cropSeed };
}

export type ProtocolId = keyof typeof PROTOCOLS;

export function isProtocol(name: string): name is ProtocolId {
  return Object.hasOwn(PROTOCOLS, name);
}
