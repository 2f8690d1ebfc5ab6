package strip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// These tests look for what is left over in other ways than by exiftool's names
// of tags: by the values that the original showed, and by another program.

// TestCanaries: of every text that exiftool shows of an original's metadata
// nothing is in the result, wherever that may be.
func TestCanaries(t *testing.T) {
	exiftool := mp4Tool(t, "exiftool")
	var files []*corpusFile
	for _, f := range corpusFiles(t, corpusDir(t), JPEG, PNG, GIF, WebP, MP4) {
		if f.err == nil {
			files = append(files, f)
		}
	}
	words, found := 0, 0
	for part := range slices.Chunk(files, 200) {
		byPath := map[string]*corpusFile{}
		args := []string{"-a", "-G1", "-s", "-ee", "-j", "-q", "--"}
		for _, f := range part {
			byPath[f.path] = f
			args = append(args, f.path)
		}
		out, _ := exec.Command(exiftool, args...).Output()
		var reports []map[string]any
		if err := json.Unmarshal(out, &reports); err != nil || len(reports) != len(part) {
			t.Fatalf("exiftool: %v, %d reports for %d files", err, len(reports), len(part))
		}
		for _, r := range reports {
			f := byPath[r["SourceFile"].(string)]
			out := readable(t, f.kind, f.out)
			in := readable(t, f.kind, f.in)
			for tag, value := range r {
				group, _, _ := strings.Cut(tag, ":")
				if slices.Contains([]string{"SourceFile", "ExifTool", "System", "File", "Composite"}, group) {
					continue
				}
				for _, w := range texts(value) {
					words++
					if holds(in, w) {
						found++
					}
					if holds(out, w) {
						t.Errorf("%s: %s = %q is left", f.path, tag, w)
					}
				}
			}
		}
	}
	// The other side: in the originals such a search does find them.
	if found < 100 || found < words/10 {
		t.Errorf("%d of %d texts were found in the originals", found, words)
	}
	t.Logf("%d files, %d texts, %d of them as they are in the originals, 0 left", len(files), words, found)
}

// texts lists the strings in a value that are longer than five characters and no
// numbers.
func texts(value any) (list []string) {
	switch v := value.(type) {
	case string:
		v = strings.TrimSpace(v)
		if _, err := strconv.ParseFloat(v, 64); err != nil && len(v) > 5 {
			list = append(list, v)
		}
	case []any:
		for _, e := range v {
			list = append(list, texts(e)...)
		}
	case map[string]any:
		for _, e := range v {
			list = append(list, texts(e)...)
		}
	}
	return list
}

// holds looks for a string as bytes and in both kinds of UTF-16.
func holds(b []byte, s string) bool {
	var little, big []byte
	for _, u := range utf16.Encode([]rune(s)) {
		little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
	}
	return bytes.Contains(b, []byte(s)) || bytes.Contains(b, little) || bytes.Contains(b, big)
}

// readable is a file with the texts and profiles of a PNG inflated behind it.
func readable(t *testing.T, kind Kind, b []byte) []byte {
	if kind != PNG {
		return b
	}
	all := bytes.Clone(b)
	for at := len(pngMagic); at+12 <= len(b); {
		n := int(b[at])<<24 | int(b[at+1])<<16 | int(b[at+2])<<8 | int(b[at+3])
		if at+12+n > len(b) {
			break
		}
		if name := string(b[at+4 : at+8]); name == "iCCP" || name == "zTXt" || name == "iTXt" {
			body := b[at+8 : at+8+n]
			for i := range body { // wherever the zlib stream begins
				if body[i] == 0x78 {
					if plain, err := inflateProfile(body[i:]); err == nil {
						all = append(all, plain...)
						break
					}
				}
			}
		}
		at += 12 + n
	}
	return all
}

// mat2Allowed are the tags that mat2 may name. Those with a value have that one
// in every result.
var mat2Allowed = map[string]string{
	"ProfileDescription": "ICC", "ProfileCopyright": "CC0", "ProfileDateTime": "2000:01:01 00:00:00", "ProfileName": "icc",
	"ProfileCreator": "", "ProfileCMMType": "", "DeviceManufacturer": "", "DeviceModel": "", "ProfileID": "0", "PrimaryPlatform": "Unknown ()",
}

// TestMat2 asks mat2 what it finds in the results. It says nothing of a format
// that it does not know. CI need not have it: it is another opinion. With
// EMBERDROP_SOAK it looks at the corpus as well.
func TestMat2(t *testing.T) {
	if _, err := exec.LookPath("mat2"); err != nil {
		t.Skip("mat2 is not installed: no second opinion")
	}
	dir := t.TempDir()
	var names []string
	add := func(kind Kind, b []byte) {
		ends := map[Kind]string{JPEG: "jpg", PNG: "png", GIF: "gif", MP4: "mp4"}
		if ends[kind] == "" {
			return
		}
		names = append(names, filepath.Join(dir, fmt.Sprintf("%05d.%s", len(names), ends[kind])))
		if err := os.WriteFile(names[len(names)-1], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range shownSamples(t) {
		out, _, err := stripBytes(b)
		if err != nil {
			t.Fatal(name, err)
		}
		kind, _ := Recognise(bytes.NewReader(out), int64(len(out)))
		add(kind, out)
	}
	out, _ := mp4Strip(t, mp4Plain(t))
	add(MP4, out)
	if dir := os.Getenv("EMBERDROP_CORPUS"); dir != "" && os.Getenv("EMBERDROP_SOAK") != "" {
		for _, f := range corpusFiles(t, dir, JPEG, PNG, GIF, MP4) {
			if f.err == nil {
				add(f.kind, f.out)
			}
		}
	}
	seen := 0
	for part := range slices.Chunk(names, 100) {
		seen += len(part)
		for _, line := range mat2Finds(t, part) {
			t.Errorf("mat2 finds %s", line)
		}
	}
	t.Logf("%d results", seen)
	// The other side: it finds something in what is not stripped.
	dirtyName := filepath.Join(dir, "dirty.jpg")
	if err := os.WriteFile(dirtyName, dirty(t)["jpeg exif"].b, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(mat2Finds(t, []string{dirtyName})) == 0 {
		t.Error("mat2 finds nothing in a picture with everything")
	}
}

// mat2Finds lists what mat2 names and must not be there.
func mat2Finds(t *testing.T, names []string) (finds []string) {
	out, err := exec.Command("mat2", append([]string{"--show"}, names...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	file, files := "", 0
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if quiet := strings.HasPrefix(line, "  No metadata found in "); quiet || strings.HasPrefix(line, "[+] Metadata for ") {
			file = strings.TrimRight(line, ":.")
			files++
			continue
		}
		tag, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		tag = strings.TrimSuffix(tag, ":")
		want, constant := mat2Allowed[tag]
		switch {
		case tag == "":
		case constant && strings.TrimSpace(value) == want:
		case !constant && slices.ContainsFunc(allowed, func(a string) bool {
			_, name, _ := strings.Cut(a, ":")
			return name != "" && strings.HasPrefix(tag, name)
		}):
		case !constant && slices.Contains(iccHeaderTags, tag):
		case strings.HasSuffix(file, ".mp4") && (tag == "Rotation" || slices.Contains(mp4Tags, tag)) &&
			(!strings.HasSuffix(tag, "Date") || strings.HasPrefix(value, "0000")):
		default:
			finds = append(finds, fmt.Sprint(filepath.Base(file), " ", tag, " = ", value))
		}
	}
	if files < len(names) {
		t.Fatalf("mat2 speaks of %d files of %d\n%.1000s", files, len(names), out)
	}
	return finds
}

// iccHeaderTags are exiftool's names, which mat2 uses, of what a profile's header
// says and decoders need.
var iccHeaderTags = []string{"RenderingIntent", "ProfileVersion", "ProfileFileSignature", "ProfileConnectionSpace", "ProfileClass",
	"DeviceAttributes", "ColorSpaceData", "CMMFlags", "ConnectionSpaceIlluminant", "WhitePointX", "WhitePointY", "ColorPrimaries",
	"TransferCharacteristics", "MatrixCoefficients", "VideoFullRangeFlag"}
