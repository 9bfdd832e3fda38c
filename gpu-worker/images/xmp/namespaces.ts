/** Of the properties that speak of the pixels, or of other parts of the file. */

export const TIFF = 'http://ns.adobe.com/tiff/1.0/';
export const EXIF = 'http://ns.adobe.com/exif/1.0/';
export const XMP = 'http://ns.adobe.com/xap/1.0/';
export const XMP_NOTE = 'http://ns.adobe.com/xmp/note/';
export const DUBLIN_CORE = 'http://purl.org/dc/elements/1.1/';
export const PHOTOSHOP = 'http://ns.adobe.com/photoshop/1.0/';
export const CAMERA_RAW = 'http://ns.adobe.com/camera-raw-settings/1.0/';
export const IPTC_EXTENSION = 'http://iptc.org/std/Iptc4xmpExt/2008-02-29/';

/** Metadata Working Group, and ACDSee, whose regions are alike. */
export const AREA = ['http://ns.adobe.com/xmp/sType/Area#', 'http://ns.acdsee.com/sType/Area#'];
export const DIMENSIONS = ['http://ns.adobe.com/xap/1.0/sType/Dimensions#', 'http://ns.acdsee.com/sType/Dimensions#'];
export const MICROSOFT_REGION = 'http://ns.microsoft.com/photo/1.2/t/Region#';

export const GOOGLE_PANORAMA = 'http://ns.google.com/photos/1.0/panorama/';
export const GOOGLE_CAMERA = 'http://ns.google.com/photos/1.0/camera/';
export const HDR_GAIN_MAP = 'http://ns.adobe.com/hdr-gain-map/1.0/';
export const APPLE_GAIN_MAP = 'http://ns.apple.com/HDRGainMap/1.0/';
