package strip

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// mp4Needles are strings that no result may hold, at any bit offset.
var mp4Needles = []string{"Lavc5", "Lavf5", "x264", "libx2", "CANARY", "FFmpeg", "VideoH", "SoundH", "LAME3", "swa\x00", "udta", "uuid", "meta", "free", "tref", "2020-"}

// checkMP4Clean looks at the bytes of a result: needles, the order of boxes, and
// that stripping it again changes and reports nothing.
func checkMP4Clean(t testing.TB, out []byte) {
	t.Helper()
	shifted := bytes.Clone(out)
	for bit := range 8 {
		for _, n := range mp4Needles {
			if bytes.Contains(shifted, []byte(n)) {
				t.Errorf("%q is left, %d bits from a byte's start", n, bit)
			}
		}
		carry := byte(0)
		for i := len(shifted) - 1; i >= 0; i-- {
			shifted[i], carry = shifted[i]<<1|carry, shifted[i]>>7
		}
	}
	var kinds []string
	for off := 0; off+8 <= len(out); {
		kinds = append(kinds, string(out[off+4:off+8]))
		size := int(binary.BigEndian.Uint32(out[off:]))
		if size < 8 {
			t.Fatalf("box %d of a result has size %d", len(kinds), size)
		}
		off += size
	}
	if strings.Join(kinds, " ") != "ftyp moov mdat" {
		t.Errorf("boxes %v", kinds)
	}
	var again bytes.Buffer
	removed, err := stripMP4(&again, bytes.NewReader(out), int64(len(out)))
	switch {
	case err != nil:
		t.Errorf("the result is refused: %v", err)
	case removed != 0:
		t.Errorf("the result still has %b", removed)
	case !bytes.Equal(again.Bytes(), out):
		t.Error("stripping the result changes it")
	}
}

// mp4Tags are the only tags that ExifTool may find in a result: what any file
// must say to be shown.
var mp4Tags = strings.Fields(`MajorBrand MinorVersion CompatibleBrands MovieHeaderVersion CreateDate ModifyDate TimeScale
	Duration PreferredRate PreferredVolume MatrixStructure PreviewTime PreviewDuration PosterTime SelectionTime
	SelectionDuration CurrentTime NextTrackID MediaDataSize MediaDataOffset TrackHeaderVersion TrackCreateDate
	TrackModifyDate TrackID TrackDuration TrackLayer TrackVolume ImageWidth ImageHeight MediaHeaderVersion
	MediaCreateDate MediaModifyDate MediaTimeScale MediaDuration MediaLanguageCode HandlerType GraphicsMode OpColor
	CompressorID SourceImageWidth SourceImageHeight XResolution YResolution BitDepth PixelAspectRatio VideoFrameRate
	Balance AudioFormat AudioChannels AudioBitsPerSample AudioSampleRate ColorProfiles ColorPrimaries
	TransferCharacteristics MatrixCoefficients VideoFullRangeFlag CleanAperture VideoFieldOrder`)

// checkMP4Tags asks ExifTool what it finds.
func checkMP4Tags(t *testing.T, path string) {
	t.Helper()
	b, err := exec.Command(mp4Tool(t, "exiftool"), "-a", "-G1", "-ee", "-s", "-j", "-n", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []map[string]any
	if err := json.Unmarshal(b, &files); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, tag := range mp4Tags {
		allowed[tag] = true
	}
	for name, value := range files[0] {
		group, tag, _ := strings.Cut(name, ":")
		switch group {
		case "SourceFile", "ExifTool", "System", "File", "Composite":
			continue
		}
		if !allowed[tag] {
			t.Errorf("ExifTool finds %s = %v", name, value)
		}
		if strings.HasSuffix(tag, "Date") && value != "0000:00:00 00:00:00" {
			t.Errorf("ExifTool finds %s = %v", name, value)
		}
		if tag == "MediaLanguageCode" && value != "und" {
			t.Errorf("ExifTool finds %s = %v", name, value)
		}
	}
}
