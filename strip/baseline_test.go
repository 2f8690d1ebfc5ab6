package strip

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBaselines runs exiftool and mat2 over the pictures of the corpus that we
// take and that decode, and prints how they do beside us. It judges nobody, and
// runs when EMBERDROP_BASELINES says how many pictures of each kind to take.
func TestBaselines(t *testing.T) {
	most := 0
	if _, err := fmt.Sscan(os.Getenv("EMBERDROP_BASELINES"), &most); err != nil {
		t.Skip("EMBERDROP_BASELINES is not set: no comparison with other programs")
	}
	tools := []struct {
		name string
		run  func(dir string, files []string)
	}{
		{"strip", nil},
		{"exiftool -all=", func(dir string, _ []string) {
			exec.Command("exiftool", "-q", "-all=", "-overwrite_original", "-r", dir).Run()
		}},
		{"mat2", func(_ string, files []string) {
			for _, f := range files {
				if exec.Command("mat2", "--inplace", f).Run() != nil {
					os.Remove(f)
				}
			}
		}},
	}
	var b strings.Builder
	b.WriteString("| kind | tool | files | failed | tags left | pixels changed | orientation lost | ICC lost | s/file |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, kind := range []Kind{JPEG, PNG, GIF, WebP} {
		if k := os.Getenv("EMBERDROP_CORPUS_KIND"); k != "" && Kind(k) != kind {
			continue
		}
		var files []*corpusFile
		for _, f := range corpusFiles(t, corpusDir(t), kind) {
			if _, err := pixels(kind, f.in); err == nil && f.err == nil {
				files = append(files, f)
			}
		}
		for i := 0; len(files) > most && i < most; i++ { // spread over the folders
			files[i] = files[i*len(files)/most]
		}
		files = files[:min(len(files), most)]
		for _, tool := range tools {
			dir := t.TempDir()
			var names []string
			for i, f := range files {
				name := filepath.Join(dir, fmt.Sprintf("%05d.%s", i, strings.TrimPrefix(string(kind), "image/")))
				names = append(names, name)
				if err := os.WriteFile(name, f.in, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			if tool.run != nil {
				tool.run(dir, names)
			}
			took := time.Since(start)
			var results []*corpusFile
			failed, changed, turned, colours := 0, 0, 0, 0
			for i, f := range files {
				out, err := f.out, f.err
				if tool.run != nil {
					out, err = os.ReadFile(names[i])
				} else {
					begin := time.Now()
					stripBytes(f.in)
					took += time.Since(begin)
				}
				if err != nil || tool.run != nil && bytes.Equal(out, f.in) && hasMetadata(f.in) {
					failed++
					continue
				}
				results = append(results, &corpusFile{path: f.path, kind: kind, out: out})
				before, _ := pixels(kind, f.in)
				if after, err := pixels(kind, out); err != nil || after != before {
					changed++
				}
				if o := orientationOf(f.in); o > 1 && orientationOf(out) != o {
					turned++
				}
				if hasProfile(f.out) && !hasProfile(out) {
					colours++
				}
			}
			left := 0
			findLeftovers(t, results)
			for _, r := range results {
				if len(r.left) > 0 {
					left++
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %d | %.4f |\n", kind, tool.name, len(files), failed, left, changed,
				turned, colours, took.Seconds()/float64(max(1, len(files))))
		}
	}
	t.Log("\n" + b.String())
}

// hasMetadata says whether there was something that we would remove.
func hasMetadata(b []byte) bool {
	_, removed, err := stripBytes(b)
	return err == nil && removed != 0
}

// orientationOf is what our own result shows, or an EXIF body of any program.
func orientationOf(b []byte) int {
	for _, mark := range []string{"II*\x00", "MM\x00*"} {
		if at := bytes.Index(b, []byte(mark)); at >= 0 {
			o, _ := readExif(b[at:min(len(b), at+exifMost)])
			return o
		}
	}
	return 1
}

func hasProfile(b []byte) bool {
	for _, mark := range []string{iccMark, "iCCP", "ICCP"} {
		if bytes.Contains(b, []byte(mark)) {
			return true
		}
	}
	return false
}
