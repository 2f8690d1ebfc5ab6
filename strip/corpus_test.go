package strip

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// corpusDir is where pictures from elsewhere are: the sources of Debian's
// libimage-exiftool-perl and mat2, unpacked, and whatever a developer adds.
func corpusDir(t testing.TB) string {
	dir := os.Getenv("EMBERDROP_CORPUS")
	if dir == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("EMBERDROP_CORPUS is not set: CI must have the corpora")
		}
		t.Skip("EMBERDROP_CORPUS is not set: no pictures from elsewhere to check with")
	}
	return dir
}

// corpusFile is one file of a corpus and what became of it.
type corpusFile struct {
	path      string
	kind      Kind
	in, out   []byte
	removed   Removed
	err       error
	decodable bool // by Go's decoder, or the format's own tool
	same      bool // pixels
	left      []string
}

// corpusFiles strips every file of the four picture formats in a corpus, each
// content once.
func corpusFiles(t testing.TB, dir string, kinds ...Kind) []*corpusFile {
	var files []*corpusFile
	seen := map[[32]byte]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kind, err := Recognise(bytes.NewReader(b), int64(len(b)))
		sum := sha256.Sum256(b)
		if err != nil || seen[sum] {
			return nil
		}
		seen[sum] = true
		for _, k := range kinds {
			if k == kind {
				f := &corpusFile{path: path, kind: kind, in: b}
				f.out, f.removed, f.err = stripBytes(b)
				files = append(files, f)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func stripBytes(b []byte) ([]byte, Removed, error) {
	var out bytes.Buffer
	r, err := Strip(&out, bytes.NewReader(b), int64(len(b)))
	return out.Bytes(), r.Removed, err
}

// TestCorpus holds the bar for pictures that other people made: refused with a
// reason, or nothing left over, no pixel changed, and the same when done twice.
func TestCorpus(t *testing.T) {
	kinds := []Kind{JPEG, PNG, GIF, WebP}
	if k := os.Getenv("EMBERDROP_CORPUS_KIND"); k != "" {
		kinds = []Kind{Kind(k)}
	}
	files := corpusFiles(t, corpusDir(t), kinds...)
	if len(files) == 0 {
		t.Fatal("the corpus has no pictures")
	}
	for _, f := range files {
		before, err := pixels(f.kind, f.in)
		f.decodable = err == nil
		if f.err != nil {
			var unsupported *UnsupportedError
			if !errors.Is(f.err, ErrDamaged) && !errors.As(f.err, &unsupported) {
				t.Errorf("%s: refused without a class: %v", f.path, f.err)
			}
			continue
		}
		if again, removed, err := stripBytes(f.out); err != nil || !bytes.Equal(again, f.out) || removed != 0 {
			t.Errorf("%s: twice is not once: %v, removed %b", f.path, err, removed)
		}
		if f.decodable {
			after, err := pixels(f.kind, f.out)
			if f.same = err == nil && before == after; !f.same {
				t.Errorf("%s: pixels changed (%v)", f.path, err)
			}
		}
	}
	leftovers(t, files)
	t.Log("\n" + corpusTable(files))
}

// pixels sums what a decoder makes of a picture: size and colours, and for
// animations every frame, its time and what becomes of it.
func pixels(kind Kind, b []byte) (sum [32]byte, err error) {
	h := sha256.New()
	add := func(m image.Image) {
		fmt.Fprint(h, m.Bounds(), m.ColorModel())
		switch m := m.(type) {
		case *image.YCbCr:
			h.Write(m.Y)
			h.Write(m.Cb)
			h.Write(m.Cr)
		case *image.Gray:
			h.Write(m.Pix)
		case *image.Gray16:
			h.Write(m.Pix)
		case *image.RGBA:
			h.Write(m.Pix)
		case *image.RGBA64:
			h.Write(m.Pix)
		case *image.NRGBA:
			h.Write(m.Pix)
		case *image.NRGBA64:
			h.Write(m.Pix)
		case *image.CMYK:
			h.Write(m.Pix)
		case *image.Paletted:
			h.Write(m.Pix)
			fmt.Fprint(h, m.Palette)
		default:
			panic(fmt.Sprintf("unknown image %T", m))
		}
	}
	r := bytes.NewReader(b)
	switch kind {
	case JPEG:
		m, err := jpeg.Decode(r)
		if err != nil {
			return sum, err
		}
		add(m)
	case PNG:
		m, err := png.Decode(r)
		if err != nil {
			return sum, err
		}
		add(m)
	case GIF:
		g, err := gif.DecodeAll(r)
		if err != nil {
			return sum, err
		}
		for i, m := range g.Image {
			add(m)
			fmt.Fprint(h, g.Delay[i], g.Disposal[i])
		}
		fmt.Fprint(h, g.LoopCount, g.Config, g.BackgroundIndex)
	case WebP:
		out, err := webpPixels(b)
		if err != nil {
			return sum, err
		}
		h.Write(out)
	}
	return [32]byte(h.Sum(nil)), nil
}

// webpPixels decodes with ImageMagick, which knows animations, or dwebp.
func webpPixels(b []byte) ([]byte, error) {
	cmd := exec.Command("dwebp", "-quiet", "-pam", "-o", "-", "--", "-")
	cmd.Stdin = bytes.NewReader(b)
	return cmd.Output()
}

// allowed are the tag groups and tags that exiftool may report of a result.
// The rest is what it computes itself or what every file has.
var allowed = []string{
	"ExifTool:", "System:", "File:FileType", "File:MIMEType", "File:ImageWidth", "File:ImageHeight", "File:ExifByteOrder",
	"File:EncodingProcess", "File:BitsPerSample", "File:ColorComponents", "File:YCbCrSubSampling", "Composite:ImageSize",
	"Composite:Megapixels", "JFIF:JFIFVersion", "JFIF:ResolutionUnit", "JFIF:XResolution", "JFIF:YResolution",
	"IFD0:Orientation", "Adobe:DCTEncodeVersion", "Adobe:APP14Flags", "Adobe:ColorTransform", "ICC-header:",
	"ICC_Profile:ProfileDescription", "ICC_Profile:ProfileCopyright", "ICC_Profile:MediaWhitePoint", "ICC_Profile:ChromaticAdaptation",
	"ICC_Profile:RedMatrixColumn", "ICC_Profile:GreenMatrixColumn", "ICC_Profile:BlueMatrixColumn", "ICC_Profile:RedTRC", "ICC_Profile:GreenTRC",
	"ICC_Profile:BlueTRC", "ICC_Profile:GrayTRC", "ICC_Profile:AToB", "ICC_Profile:DToB", "ICC_Profile:ColorPrimaries",
	"PNG:ImageWidth", "PNG:ImageHeight", "PNG:BitDepth", "PNG:ColorType", "PNG:Compression", "PNG:Filter", "PNG:Interlace",
	"PNG:Palette", "PNG:Transparency", "PNG:Gamma", "PNG:SRGBRendering", "PNG:WhitePoint", "PNG:RedX", "PNG:RedY", "PNG:GreenX",
	"PNG:GreenY", "PNG:BlueX", "PNG:BlueY", "PNG-cICP:", "PNG:ProfileName", "PNG:AnimationFrames", "PNG:AnimationPlays",
	"GIF:GIFVersion", "GIF:ImageWidth", "GIF:ImageHeight", "GIF:HasColorMap", "GIF:ColorResolutionDepth", "GIF:BitsPerPixel",
	"GIF:BackgroundColor", "GIF:PixelAspectRatio", "GIF:AnimationIterations", "GIF:FrameCount", "GIF:Duration", "GIF:TransparentColor",
	"RIFF:WebP_Flags", "RIFF:ImageWidth", "RIFF:ImageHeight", "RIFF:BackgroundColor", "RIFF:AnimationLoopCount", "RIFF:FrameCount",
	"RIFF:Duration", "RIFF:VP8Version", "RIFF:HorizontalScale", "RIFF:VerticalScale", "RIFF:AlphaIsUsed", "RIFF:AlphaPreprocessing",
	"RIFF:AlphaFiltering", "RIFF:AlphaCompression", "SourceFile",
}

// leftovers is an error for every tag that exiftool finds in a result.
func leftovers(t *testing.T, files []*corpusFile) {
	findLeftovers(t, files)
	for _, f := range files {
		if len(f.left) > 0 {
			t.Errorf("%s: left over: %q", f.path, f.left)
		}
	}
}

// TestLeftoversAreFound is the other side of the check: in pictures that were
// not stripped exiftool finds something.
func TestLeftoversAreFound(t *testing.T) {
	var files []*corpusFile
	samples := dirty(t)
	for _, name := range []string{"jpeg exif", "jpeg xmp", "png text", "gif", "webp"} {
		kind, _ := Recognise(bytes.NewReader(samples[name].b), int64(len(samples[name].b)))
		files = append(files, &corpusFile{path: name, kind: kind, out: samples[name].b})
	}
	if _, err := exec.LookPath("exiftool"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("exiftool is not installed")
	}
	findLeftovers(t, files)
	for _, f := range files {
		if len(f.left) == 0 {
			t.Errorf("%s: nothing was found", f.path)
		}
	}
}

// findLeftovers asks exiftool about every result at once.
func findLeftovers(t *testing.T, files []*corpusFile) {
	if _, err := exec.LookPath("exiftool"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("exiftool is not installed")
		}
		t.Log("exiftool is not installed: left-over tags are not checked")
		return
	}
	dir := t.TempDir()
	byName := map[string]*corpusFile{}
	for i, f := range files {
		if f.err == nil {
			name := filepath.Join(dir, fmt.Sprintf("%05d.%s", i, strings.TrimPrefix(string(f.kind), "image/")))
			byName[name] = f
			if err := os.WriteFile(name, f.out, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(byName) == 0 {
		return
	}
	out, _ := exec.Command("exiftool", "-a", "-G1", "-s", "-ee", "-j", "-q", "-r", dir).Output()
	var reports []map[string]any
	if err := json.Unmarshal(out, &reports); err != nil || len(reports) != len(byName) {
		t.Fatalf("exiftool: %v, %d reports for %d files", err, len(reports), len(byName))
	}
	for _, r := range reports {
		f := byName[r["SourceFile"].(string)]
	tags:
		for tag, value := range r {
			for _, a := range allowed {
				if strings.HasPrefix(tag, a) && tag != "ExifTool:Warning" && tag != "ExifTool:Error" {
					continue tags
				}
			}
			f.left = append(f.left, fmt.Sprint(tag, " = ", value))
		}
	}
}

// corpusTable is a table in Markdown of what became of a corpus.
func corpusTable(files []*corpusFile) string {
	type row struct{ files, refused, decodable, refusedDecodable, left, changed int }
	rows := map[Kind]*row{}
	why := map[string]int{}
	for _, f := range files {
		r := rows[f.kind]
		if r == nil {
			r = &row{}
			rows[f.kind] = r
		}
		r.files++
		if f.decodable {
			r.decodable++
		}
		if f.err != nil {
			r.refused++
			if f.decodable {
				r.refusedDecodable++
				why[fmt.Sprintf("%s: %v: %s", f.kind, f.err, filepath.Base(f.path))]++
			}
			why[fmt.Sprintf("%s: %v", f.kind, f.err)]++
		}
		if len(f.left) > 0 {
			r.left++
		}
		if f.err == nil && f.decodable && !f.same {
			r.changed++
		}
	}
	var b strings.Builder
	b.WriteString("| kind | files | decodable | refused | refused, decodable | tags left | pixels changed |\n|---|---|---|---|---|---|---|\n")
	for _, k := range []Kind{JPEG, PNG, GIF, WebP} {
		if r := rows[k]; r != nil {
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d |\n", k, r.files, r.decodable, r.refused, r.refusedDecodable, r.left, r.changed)
		}
	}
	var reasons []string
	for w, n := range why {
		reasons = append(reasons, fmt.Sprintf("%5d %s\n", n, w))
	}
	sort.Strings(reasons)
	return b.String() + strings.Join(reasons, "")
}
