package strip

import (
	"bytes"
	"io"
)

// head is how many first bytes Recognise looks at: enough for the brands of an
// ftyp box and for the XML prolog before an <svg> element.
const head = 1024

// wanted is the sentence for content that has no better advice.
const wanted = "send a JPEG, PNG, GIF or WebP picture, or an MP4 video with H.264"

const (
	hintPicture = "save or export it as JPEG or PNG and send that"
	hintVideo   = "convert it to MP4 with H.264 and AAC, for example with HandBrake or ffmpeg, and send that"
	hintHEIC    = "on an iPhone set Settings, Camera, Formats to Most Compatible, or share it as JPEG; elsewhere export it as JPEG"
	hintMOV     = "convert it to MP4 with H.264 and AAC, for example with HandBrake or ffmpeg (ffmpeg -i in.mov -c:v libx264 -c:a aac out.mp4), and send that; on an iPhone set Settings, Camera, Formats to Most Compatible and share it as MP4"
	hintDoc     = "send pictures of its pages as JPEG or PNG"
	hintArchive = "take the files out and send them one by one"
)

// Recognise names the kind of content by its first bytes; names and the
// sender's word count for nothing. It returns an *UnsupportedError for anything
// but the five kinds, and an error of src.
func Recognise(src io.ReaderAt, size int64) (Kind, error) {
	b := make([]byte, min(max(size, 0), head))
	if _, err := readFull(src, b, 0); err != nil {
		return "", err
	}
	switch {
	case has(b, 0, "\xff\xd8\xff"):
		return JPEG, nil
	case has(b, 0, "\x89PNG\r\n\x1a\n"):
		return PNG, nil
	case has(b, 0, "GIF87a"), has(b, 0, "GIF89a"):
		return GIF, nil
	case has(b, 0, "RIFF") && has(b, 8, "WEBP"):
		return WebP, nil
	case has(b, 4, "ftyp"):
		return recogniseFtyp(b)
	}
	for _, m := range known {
		if has(b, m.at, m.magic) && (m.also == "" || has(b, m.alsoAt, m.also)) {
			return "", &UnsupportedError{Found: m.found, Hint: m.hint, Written: m.hint == hintDoc}
		}
	}
	if isSVG(b) {
		return "", &UnsupportedError{Found: "SVG drawing", Hint: hintPicture, Written: true}
	}
	return "", &UnsupportedError{Hint: wanted}
}

// has reports whether b holds s at offset at.
func has(b []byte, at int, s string) bool {
	return at+len(s) <= len(b) && string(b[at:at+len(s)]) == s
}

// known lists what people send that is not taken, by its first bytes.
var known = []struct {
	at     int
	magic  string
	alsoAt int
	also   string
	found  string
	hint   string
}{
	{4, "moov", 0, "", "QuickTime (MOV) video", hintMOV},
	{4, "mdat", 0, "", "QuickTime (MOV) video", hintMOV},
	{4, "wide", 0, "", "QuickTime (MOV) video", hintMOV},
	{4, "skip", 0, "", "QuickTime (MOV) video", hintMOV},
	{4, "free", 0, "", "QuickTime (MOV) video", hintMOV},
	{4, "pnot", 0, "", "QuickTime (MOV) video", hintMOV},
	{4, "JXL \r\n\x87\n", 0, "", "JPEG XL picture", hintPicture},
	{0, "\xff\x0a", 0, "", "JPEG XL picture", hintPicture},
	{4, "jP  \r\n\x87\n", 0, "", "JPEG 2000 picture", hintPicture},
	{0, "\xff\x4f\xff\x51", 0, "", "JPEG 2000 picture", hintPicture},
	{0, "\x1aE\xdf\xa3", 0, "", "Matroska or WebM video", hintVideo},
	{0, "RIFF", 8, "AVI ", "AVI video", hintVideo},
	{0, "RIFF", 8, "WAVE", "WAV sound", wanted},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "", "Windows Media (WMV) video", hintVideo},
	{0, "FLV\x01", 0, "", "Flash video", hintVideo},
	{0, "\x00\x00\x01\xba", 0, "", "MPEG video", hintVideo},
	{0, "\x00\x00\x01\xb3", 0, "", "MPEG video", hintVideo},
	{0, "G", 188, "G", "MPEG transport stream", hintVideo},
	{4, "G", 196, "G", "MPEG transport stream", hintVideo},
	{0, "OggS", 0, "", "Ogg file", hintVideo},
	{0, "%PDF-", 0, "", "PDF document", hintDoc},
	{0, "%!PS", 0, "", "PostScript document", hintDoc},
	{0, "{\\rtf", 0, "", "RTF document", hintDoc},
	{0, "\xd0\xcf\x11\xe0", 0, "", "Office document", hintDoc},
	{0, "II*\x00", 8, "CR", "camera raw picture", hintPicture},
	{0, "II*\x00", 0, "", "TIFF or camera raw picture", hintPicture},
	{0, "MM\x00*", 0, "", "TIFF or camera raw picture", hintPicture},
	{0, "II+\x00", 0, "", "TIFF picture", hintPicture},
	{0, "MM\x00+", 0, "", "TIFF picture", hintPicture},
	{0, "II\xbc\x01", 0, "", "JPEG XR picture", hintPicture},
	{0, "IIU\x00", 0, "", "camera raw picture", hintPicture},
	{0, "FUJIFILMCCD-RAW", 0, "", "camera raw picture", hintPicture},
	{0, "8BPS", 0, "", "Photoshop file", hintPicture},
	{0, "gimp xcf", 0, "", "GIMP file", hintPicture},
	{0, "BM", 6, "\x00\x00\x00\x00", "BMP picture", hintPicture},
	{0, "\x00\x00\x01\x00", 0, "", "icon file", hintPicture},
	{0, "qoif", 0, "", "QOI picture", hintPicture},
	{0, "\x8aMNG\r\n\x1a\n", 0, "", "MNG animation", hintPicture},
	{0, "\x8bJNG\r\n\x1a\n", 0, "", "JNG picture", hintPicture},
	{0, "PK\x03\x04", 0, "", "ZIP archive or Office document", hintArchive},
	{0, "PK\x05\x06", 0, "", "ZIP archive or Office document", hintArchive},
	{0, "Rar!\x1a\x07", 0, "", "RAR archive", hintArchive},
	{0, "7z\xbc\xaf\x27\x1c", 0, "", "7-Zip archive", hintArchive},
	{0, "\x1f\x8b", 0, "", "gzip archive", hintArchive},
	{0, "\xfd7zXZ\x00", 0, "", "xz archive", hintArchive},
	{0, "BZh", 0, "", "bzip2 archive", hintArchive},
	{0, "\x28\xb5\x2f\xfd", 0, "", "zstd archive", hintArchive},
	{257, "ustar", 0, "", "tar archive", hintArchive},
	{0, "ID3", 0, "", "MP3 sound", wanted},
	{0, "\xff\xfb", 0, "", "MP3 sound", wanted},
	{0, "fLaC", 0, "", "FLAC sound", wanted},
}

// brands says what a brand of an ISO base media file means (mp4ra.org/brands,
// ISO/IEC 23008-12 for the picture brands). The kind is empty for what is not
// taken.
var brands = map[string]struct {
	kind  Kind
	found string
	hint  string
}{
	"heic": {found: "HEIC picture", hint: hintHEIC},
	"heix": {found: "HEIC picture", hint: hintHEIC},
	"heim": {found: "HEIC picture", hint: hintHEIC},
	"heis": {found: "HEIC picture", hint: hintHEIC},
	"hevc": {found: "HEIC picture sequence", hint: hintHEIC},
	"hevx": {found: "HEIC picture sequence", hint: hintHEIC},
	"avif": {found: "AVIF picture", hint: hintPicture},
	"avis": {found: "AVIF picture sequence", hint: hintPicture},
	"crx ": {found: "camera raw picture", hint: hintPicture},
	"jpx ": {found: "JPEG 2000 picture", hint: hintPicture},
	"jp2 ": {found: "JPEG 2000 picture", hint: hintPicture},
	"qt  ": {found: "QuickTime (MOV) video", hint: hintMOV},
	"M4A ": {found: "M4A sound", hint: wanted},
	"M4B ": {found: "M4A sound", hint: wanted},
	"M4P ": {found: "protected sound", hint: wanted},
	"F4V ": {kind: MP4}, "M4V ": {kind: MP4}, "M4VH": {kind: MP4}, "M4VP": {kind: MP4},
	"isom": {kind: MP4}, "iso2": {kind: MP4}, "iso3": {kind: MP4}, "iso4": {kind: MP4},
	"iso5": {kind: MP4}, "iso6": {kind: MP4}, "iso7": {kind: MP4}, "iso8": {kind: MP4},
	"iso9": {kind: MP4}, "isoa": {kind: MP4}, "mp41": {kind: MP4}, "mp42": {kind: MP4},
	"mp71": {kind: MP4}, "avc1": {kind: MP4}, "dash": {kind: MP4}, "mmp4": {kind: MP4},
	"MSNV": {kind: MP4}, "XAVC": {kind: MP4}, "cmfc": {kind: MP4}, "cmf2": {kind: MP4},
	"msdh": {kind: MP4}, "msix": {kind: MP4}, "3gp4": {kind: MP4}, "3gp5": {kind: MP4},
	"3gp6": {kind: MP4}, "3gp7": {kind: MP4}, "3gp8": {kind: MP4}, "3gp9": {kind: MP4},
	"3gg6": {kind: MP4}, "3gs7": {kind: MP4}, "3g2a": {kind: MP4}, "3g2b": {kind: MP4},
	"3g2c": {kind: MP4}, "kddi": {kind: MP4}, "ndsc": {kind: MP4}, "ndsm": {kind: MP4},
}

// recogniseFtyp decides by the major brand and, where that is generic or
// unknown, by the compatible brands in their order (ISO/IEC 14496-12, 4.3).
func recogniseFtyp(b []byte) (Kind, error) {
	size := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if size < 16 {
		return "", &UnsupportedError{Found: "file that resembles MP4", Hint: hintVideo}
	}
	if size < len(b) {
		b = b[:size]
	}
	for at := 8; at+4 <= len(b); at += 4 {
		if at == 12 { // the minor version
			continue
		}
		brand, ok := brands[string(b[at:at+4])]
		switch {
		case !ok:
		case brand.kind != "":
			return brand.kind, nil
		default:
			return "", &UnsupportedError{Found: brand.found, Hint: brand.hint}
		}
	}
	if has(b, 8, "mif1") || has(b, 8, "msf1") || has(b, 8, "miaf") {
		return "", &UnsupportedError{Found: "HEIF picture", Hint: hintHEIC}
	}
	return "", &UnsupportedError{Found: "file that resembles MP4", Hint: hintVideo}
}

// isSVG looks for an svg element behind an optional mark, prolog and comments.
func isSVG(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(b, []byte("<svg")) ||
		bytes.HasPrefix(b, []byte("<")) && bytes.Contains(b, []byte("<svg"))
}
