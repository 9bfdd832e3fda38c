import { DOMParser } from '@xmldom/xmldom';
import { describe, expect, it } from 'vitest';
import type { MetadataChanges } from '../../../../gpu-worker/images/exif.ts';
import { patchXmp } from '../../../../gpu-worker/images/xmp.ts';
import { xmpPacket } from '../../../support/sample-images.ts';

/** Of a photo of 400×300 as it is stored, made twice as large. */
const STORED = { width: 400, height: 300 };

function changesOf(
  orientation: number,
  crop?: { x: number; y: number; width: number; height: number },
): MetadataChanges {
  const upright = orientation >= 5 ? { width: 300, height: 400 } : STORED;
  const { width, height } = crop ?? upright;
  const placement = { stored: STORED, orientation, ...(crop && { crop }) };
  return { width: 2 * width, height: 2 * height, stripLocation: false, placement, mime: 'image/png', channels: 3 };
}

function patch(packet: string, changes: MetadataChanges, notes: string[] = []) {
  const bytes = patchXmp(Buffer.from(packet), changes, notes);
  const text = Buffer.from(bytes ?? '').toString();
  const document = new DOMParser().parseFromString(text, 'text/xml');
  /** Of an element or attribute, wherever it is. */
  const value = (name: string) => values(name)[0];
  const values = (name: string): string[] => {
    const found: string[] = [];
    for (const element of document.getElementsByTagName('*')) {
      if (element.nodeName === name) found.push(element.textContent ?? '');
      if (element.hasAttribute(name)) found.push(element.getAttribute(name) ?? '');
    }
    return found;
  };
  const number = (name: string) => Number(value(name));
  return { text, value, values, number };
}

/** Where a box of the stored picture (left, top, right, bottom in shares) is seen: by EXIF 2.32, tag 274. */
const BOX = { x: 0.25, y: 0.2, w: 0.1, h: 0.2 };
const SEEN: Record<number, [x: number, y: number]> = {
  1: [0.25, 0.2],
  2: [0.75, 0.2],
  3: [0.75, 0.8],
  4: [0.25, 0.8],
  5: [0.2, 0.25],
  6: [0.8, 0.25],
  7: [0.8, 0.75],
  8: [0.2, 0.75],
};
const ORIENTATIONS = [1, 2, 3, 4, 5, 6, 7, 8];

const area = (attributes: string) => `<mwg-rs:Area ${attributes}/>`;
const AREA = area('stArea:x="0.25" stArea:y="0.2" stArea:w="0.1" stArea:h="0.2" stArea:unit="normalized"');
const AREA_ELEMENTS =
  '<mwg-rs:Area rdf:parseType="Resource"><stArea:x>0.25</stArea:x><stArea:y>0.2</stArea:y>' +
  '<stArea:w>0.1</stArea:w><stArea:h>0.2</stArea:h><stArea:unit>normalized</stArea:unit></mwg-rs:Area>';

function faces(inner: string, [w, h] = [400, 300]) {
  return xmpPacket(
    `<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="${w}" stDim:h="${h}" stDim:unit="pixel"/>` +
      '<mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Ana" mwg-rs:Type="Face">' +
      `${inner}</rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>`,
  );
}

describe('regions', () => {
  it.each(ORIENTATIONS)('MWG, orientation %d: the name stays with the face', (orientation) => {
    for (const inner of [AREA, AREA_ELEMENTS]) {
      const { number, value } = patch(faces(inner), changesOf(orientation));
      const [x, y] = SEEN[orientation]!;
      expect(number('stArea:x')).toBeCloseTo(x, 6);
      expect(number('stArea:y')).toBeCloseTo(y, 6);
      expect([number('stArea:w'), number('stArea:h')]).toEqual(orientation >= 5 ? [BOX.h, BOX.w] : [BOX.w, BOX.h]);
      expect([number('stDim:w'), number('stDim:h')]).toEqual(orientation >= 5 ? [600, 800] : [800, 600]);
      expect(value('mwg-rs:Name')).toBe('Ana');
    }
  });

  it.each(ORIENTATIONS)('Microsoft, orientation %d', (orientation) => {
    const packet = xmpPacket(
      '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag><rdf:li rdf:parseType="Resource">' +
        '<MPReg:Rectangle>0.2, 0.1, 0.1, 0.2</MPReg:Rectangle><MPReg:PersonDisplayName>Ana</MPReg:PersonDisplayName>' +
        '</rdf:li></rdf:Bag></MPRI:Regions></MP:RegionInfo>',
    );
    const { value } = patch(packet, changesOf(orientation));
    const [left, top, width, height] = value('MPReg:Rectangle')!.split(', ').map(Number) as [
      number,
      number,
      number,
      number,
    ];
    const [x, y] = SEEN[orientation]!;
    // The same box as above, by its corner.
    expect(left + width / 2).toBeCloseTo(x, 5);
    expect(top + height / 2).toBeCloseTo(y, 5);
    expect([width, height]).toEqual(orientation >= 5 ? [0.2, 0.1] : [0.1, 0.2]);
  });

  it('of the upright photo, as some programs write them, are not turned again', () => {
    const { number } = patch(faces(AREA, [300, 400]), changesOf(6));
    expect([number('stArea:x'), number('stArea:y'), number('stArea:w')]).toEqual([0.25, 0.2, 0.1]);
    expect([number('stDim:w'), number('stDim:h')]).toEqual([600, 800]);
  });

  it('in pixels, and circles', () => {
    const pixels = area('stArea:x="100" stArea:y="60" stArea:w="40" stArea:h="60" stArea:unit="pixel"');
    const { number } = patch(faces(pixels), changesOf(6));
    expect([number('stArea:x'), number('stArea:y')]).toEqual([480, 200]);
    expect([number('stArea:w'), number('stArea:h')]).toEqual([120, 80]);
    const circle = area('stArea:x="0.25" stArea:y="0.2" stArea:d="0.1" stArea:unit="normalized"');
    const turned = patch(faces(circle), changesOf(6));
    expect([turned.number('stArea:x'), turned.number('stArea:y'), turned.number('stArea:d')]).toEqual([0.8, 0.25, 0.1]);
  });

  it('IPTC: rectangle, circle, polygon, relative and in pixels', () => {
    const region = (boundary: string, unit: string) =>
      xmpPacket(
        '<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType="Resource"><Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">' +
          `<Iptc4xmpExt:rbUnit>${unit}</Iptc4xmpExt:rbUnit>${boundary}</Iptc4xmpExt:RegionBoundary></rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>`,
      );
    const tags = (values: Record<string, number>) =>
      Object.entries(values)
        .map(([name, value]) => `<Iptc4xmpExt:${name}>${value}</Iptc4xmpExt:${name}>`)
        .join('');
    const read = ({ number }: ReturnType<typeof patch>, ...names: string[]) =>
      names.map((name) => number(`Iptc4xmpExt:${name}`));

    const box = patch(region(tags({ rbX: 0.2, rbY: 0.1, rbW: 0.1, rbH: 0.2 }), 'relative'), changesOf(6));
    expect(read(box, 'rbX', 'rbY', 'rbW', 'rbH')).toEqual([0.7, 0.2, 0.2, 0.1]);
    const pixels = patch(region(tags({ rbX: 80, rbY: 30, rbW: 40, rbH: 60 }), 'pixel'), changesOf(6));
    expect(read(pixels, 'rbX', 'rbY', 'rbW', 'rbH')).toEqual([420, 160, 120, 80]);
    // The radius counts by the width: 40 of 400 pixels are 40 of 300 when turned.
    const circle = patch(region(tags({ rbX: 0.25, rbY: 0.2, rbRx: 0.1 }), 'relative'), changesOf(6));
    expect(read(circle, 'rbX', 'rbY', 'rbRx')).toEqual([0.8, 0.25, 0.133333]);
    const corners = [0, 0.5]
      .map((rbX) => `<rdf:li rdf:parseType="Resource">${tags({ rbX, rbY: 0.5 })}</rdf:li>`)
      .join('');
    const polygon = region(
      `<Iptc4xmpExt:rbVertices><rdf:Seq>${corners}</rdf:Seq></Iptc4xmpExt:rbVertices>`,
      'relative',
    );
    const { values } = patch(polygon, changesOf(6));
    expect([values('Iptc4xmpExt:rbX'), values('Iptc4xmpExt:rbY')]).toEqual([
      ['0.5', '0.5'],
      ['0', '0.5'],
    ]);
  });

  it('of a part of the photo: those outside of it go, the rest is where it shows them', () => {
    // The face is at 80 to 120 across and 30 to 90 down.
    const inside = patch(faces(AREA), changesOf(1, { x: 60, y: 20, width: 80, height: 100 }));
    expect(inside.number('stArea:x')).toBeCloseTo(0.5, 6);
    expect(inside.number('stArea:y')).toBeCloseTo(0.4, 6);
    expect([inside.number('stArea:w'), inside.number('stArea:h')]).toEqual([0.5, 0.6]);
    expect([inside.number('stDim:w'), inside.number('stDim:h')]).toEqual([160, 200]);
    const outside = patch(faces(AREA), changesOf(1, { x: 200, y: 100, width: 80, height: 80 }));
    expect(outside.text).not.toContain('Ana');
  });

  it('under any prefix', () => {
    const { text } = patch(
      faces(AREA)
        .replaceAll('stArea:', 'a:')
        .replaceAll('mwg-rs:', 'm:')
        .replace('xmlns:stArea', 'xmlns:a')
        .replace('xmlns:mwg-rs', 'xmlns:m'),
      changesOf(6),
    );
    expect(text).toContain('a:x="0.8"');
  });
});

describe('other numbers about pixels', () => {
  it('a panorama grows with its pixels, and is none any more when turned or cut', () => {
    const packet = xmpPacket(
      '<GPano:CroppedAreaImageWidthPixels>400</GPano:CroppedAreaImageWidthPixels>',
      'GPano:UsePanoramaViewer="True" GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="800" ' +
        'GPano:FullPanoHeightPixels="400" GPano:CroppedAreaImageHeightPixels="300" GPano:CroppedAreaLeftPixels="200" ' +
        'GPano:CroppedAreaTopPixels="50" GPano:InitialViewHeadingDegrees="90" GPano:LargestValidInteriorRectWidth="380"',
    );
    const { number, value } = patch(packet, changesOf(1));
    const names = [
      'CroppedAreaImageWidthPixels',
      'FullPanoWidthPixels',
      'FullPanoHeightPixels',
      'CroppedAreaImageHeightPixels',
    ];
    expect(names.map((name) => number(`GPano:${name}`))).toEqual([800, 1600, 800, 600]);
    expect([number('GPano:CroppedAreaLeftPixels'), number('GPano:CroppedAreaTopPixels')]).toEqual([400, 100]);
    expect(number('GPano:LargestValidInteriorRectWidth')).toBe(760);
    expect([number('GPano:InitialViewHeadingDegrees'), value('GPano:ProjectionType')]).toEqual([90, 'equirectangular']);
    for (const changes of [changesOf(6), changesOf(1, { x: 0, y: 0, width: 10, height: 10 })]) {
      const notes: string[] = [];
      expect(patch(packet, changes, notes).text).not.toContain('GPano:Full');
      expect(notes.join()).toMatch(/panorama cannot be said/);
    }
  });

  it.each([
    [1, ['0.1', '0.2', '0.7', '0.6'], '3'],
    [2, ['0.3', '0.2', '0.9', '0.6'], '-3'],
    [3, ['0.3', '0.4', '0.9', '0.8'], '3'],
    [6, ['0.4', '0.1', '0.8', '0.7'], '3'],
    [8, ['0.2', '0.3', '0.6', '0.9'], '3'],
  ])('a crop of Camera Raw, orientation %d', (orientation, edges, angle) => {
    const packet = xmpPacket(
      '',
      'crs:HasCrop="True" crs:CropLeft="0.1" crs:CropTop="0.2" crs:CropRight="0.7" crs:CropBottom="0.6" crs:CropAngle="3" ' +
        'crs:CropWidth="240" crs:CropHeight="120" crs:CropUnit="0" crs:RetouchInfo="centerX = 0.5" crs:Exposure2012="+0.5"',
    );
    const { value, values, text } = patch(packet, changesOf(orientation));
    expect(['Left', 'Top', 'Right', 'Bottom'].flatMap((edge) => values(`crs:Crop${edge}`))).toEqual(edges);
    expect([value('crs:CropAngle'), value('crs:HasCrop'), value('crs:Exposure2012')]).toEqual([angle, 'True', '+0.5']);
    expect([value('crs:CropWidth'), value('crs:CropHeight')]).toEqual(
      orientation >= 5 ? ['240', '480'] : ['480', '240'],
    );
    expect(text.includes('RetouchInfo')).toBe(orientation === 1);
    const part = patch(packet, changesOf(1, { x: 0, y: 0, width: 10, height: 10 }));
    expect([part.value('crs:HasCrop'), part.value('crs:CropLeft')]).toEqual(['False', undefined]);
  });

  it('the subject, sizes, format and density', () => {
    const packet = xmpPacket(
      '<exif:SubjectArea><rdf:Seq><rdf:li>100</rdf:li><rdf:li>60</rdf:li><rdf:li>40</rdf:li><rdf:li>20</rdf:li></rdf:Seq></exif:SubjectArea>',
      'tiff:Orientation="6" tiff:ImageWidth="400" exif:PixelYDimension="300" dc:format="image/jpeg" tiff:XResolution="720000/10000" ' +
        'photoshop:ColorMode="4" photoshop:ICCProfile="U.S. Web Coated" tiff:BitsPerSample="16" tiff:Compression="6" tiff:NativeDigest="256,257;ABC"',
    );
    const { value, values, text } = patch(packet, changesOf(6));
    expect(values('rdf:li')).toEqual(['480', '200', '40', '80']);
    expect([value('tiff:Orientation'), value('tiff:ImageWidth'), value('exif:PixelYDimension')]).toEqual([
      '1',
      '600',
      '800',
    ]);
    expect([value('dc:format'), value('tiff:XResolution'), value('photoshop:ColorMode')]).toEqual([
      'image/png',
      '144000/1000',
      '3',
    ]);
    expect(text).not.toMatch(/ICCProfile|BitsPerSample|Compression|NativeDigest/);
    expect(patch(packet, { ...changesOf(6), hasProfile: true }).text).toContain('ICCProfile');
  });
});

describe('promises of things that are gone', () => {
  it.each([
    [
      'a gain map',
      '<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic="GainMap"/></rdf:li></rdf:Seq></Container:Directory>',
      'hdrgm:Version="1.0" hdrgm:GainMapMax="2"',
      /hdrgm:V|GainMap|Container:D/,
    ],
    [
      'a film',
      '',
      'GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1" GCamera:MicroVideoOffset="4000" GCamera:MicroVideo="1"',
      /MotionPhoto|MicroVideo/,
    ],
    [
      'thumbnails',
      '<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><xmpGImg:image>/9j/4AAQ</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>',
      '',
      /Thumbnails|9j/,
    ],
    ['a second packet', '', 'xmpNote:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF"', /HasExtended/],
    [
      'a depth map',
      '<GDepth:Format>RangeInverse</GDepth:Format>',
      'GDepth:Near="1" GDepth:Mime="image/png"',
      /GDepth:[NFM]/,
    ],
  ])('%s', (name, inner, attributes, gone) => {
    const notes: string[] = [];
    const { text, value } = patch(xmpPacket(`${inner}<dc:source>kept</dc:source>`, attributes), changesOf(1), notes);
    expect(text).not.toMatch(gone);
    expect(value('dc:source')).toBe('kept');
    expect(notes.join()).toBe(name === 'a depth map' ? 'The depth map is not kept.' : '');
  });
});

describe('packets', () => {
  it('keeps unknown properties, entities and the wrapper', () => {
    const packet = `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n${xmpPacket('<dc:source>a &amp; b &lt;c&gt; ü &#x1F600;</dc:source>', 'crs:Exposure2012="-0.5"')}\n${' '.repeat(500)}<?xpacket end="w"?>`;
    const { text, value } = patch(packet, changesOf(1));
    expect(value('dc:source')).toBe('a & b <c> ü 😀');
    expect(value('crs:Exposure2012')).toBe('-0.5');
    expect(text).toMatch(/^<\?xpacket begin.*<\?xpacket end="w"\?>$/s);
  });

  it('reads UTF-16', () => {
    const text = xmpPacket('', 'tiff:Orientation="6"');
    const little = Buffer.from(`\ufeff${text}`, 'utf16le');
    for (const bytes of [little, Buffer.from(little).swap16()]) {
      expect(Buffer.from(patchXmp(bytes, changesOf(1))!).toString()).toContain('tiff:Orientation="1"');
    }
  });

  it.each([
    ['entities', `<!DOCTYPE x [<!ENTITY a "ha">]>${xmpPacket('<dc:source>&a;</dc:source>')}`],
    ['a prefix of nothing', xmpPacket('<nobody:knows/>')],
    ['an end that is missing', xmpPacket('').slice(0, -20)],
    ['another document', '<html/>'],
    ['too much', xmpPacket(`<dc:source>${'x'.repeat(3_000_000)}</dc:source>`)],
  ])('%s: left out', (_name, packet) => {
    expect(patchXmp(Buffer.from(packet), changesOf(1))).toBeUndefined();
  });

  it('nested deeper than any structure: left out', () => {
    const nested = (depth: number) => xmpPacket(`${'<dc:a>'.repeat(depth)}${'</dc:a>'.repeat(depth)}`);
    expect(patchXmp(Buffer.from(nested(50)), changesOf(6))).toBeDefined();
    for (const depth of [200, 4_000, 30_000]) {
      expect(patchXmp(Buffer.from(nested(depth)), changesOf(6))).toBeUndefined();
    }
  });
});
