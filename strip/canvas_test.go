package strip

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// canvasPair are two files that a browser must show alike.
type canvasPair struct {
	name        string
	kind        Kind
	in, out     []byte
	Before      string // what the browser makes of them: size and sums, or "not shown"
	After       string
	FramesIn    string // of animations: every frame and its time
	FramesAfter string
}

func (p *canvasPair) same() bool {
	return p.Before == p.After && p.FramesIn == p.FramesAfter || p.Before == "not shown"
}

// canvasPage draws both files of a pair, sums the pixels and posts the sums. It
// draws in tiles: a canvas has a largest size. A video is drawn at four times.
const canvasPage = `<!doctype html><canvas id=c></canvas><script>
const hex = b => [...new Uint8Array(b)].slice(0, 12).map(x => x.toString(16).padStart(2, '0')).join('')
const tile = 2048, canvas = document.getElementById('c')
async function draw(source, width, height) {
  const sums = []
  for (let y = 0; y < height; y += tile) for (let x = 0; x < width; x += tile) {
    canvas.width = Math.min(tile, width - x); canvas.height = Math.min(tile, height - y)
    const c = canvas.getContext('2d', {willReadFrequently: true})
    c.drawImage(source, -x, -y)
    sums.push(hex(await crypto.subtle.digest('SHA-256', c.getImageData(0, 0, canvas.width, canvas.height).data)))
  }
  return width + 'x' + height + ' ' + sums.join(' ')
}
const event = (e, ok, url) => new Promise((yes, no) => {
  e['on' + ok] = yes; e.onerror = no
  if (url) e.src = url
})
async function picture(url) {
  const e = new Image()
  try { await event(e, 'load', url) } catch { return 'not shown' }
  return draw(e, e.naturalWidth, e.naturalHeight)
}
async function video(url) {
  const e = document.createElement('video'), shown = []
  e.muted = true; e.preload = 'auto'
  try {
    let now = -1, last = -1 // the time of the picture that it shows: a busy machine shows it well after 'seeked'
    const look = (_, frame) => { now = frame.mediaTime; e.requestVideoFrameCallback(look) }
    e.requestVideoFrameCallback(look)
    await event(e, 'loadeddata', url)
    for (const t of [0, .3, .6, .9]) {
      e.currentTime = t * e.duration
      while (e.seeking || now <= last) await new Promise(yes => setTimeout(yes, 5))
      last = now
      shown.push(await draw(e, e.videoWidth, e.videoHeight))
    }
  } catch { return 'not shown' }
  return shown.join(', ')
}
async function frames(url, type) {
  const out = []
  try {
    const d = new ImageDecoder({data: (await fetch(url)).body, type})
    await d.tracks.ready
    await d.completed
    const t = d.tracks.selectedTrack
    if (!t.animated) return ''
    out.push('repeats ' + t.repetitionCount)
    for (let i = 0; i < t.frameCount; i++) {
      const {image} = await d.decode({frameIndex: i})
      out.push(image.duration + ' ' + await draw(image, image.displayWidth, image.displayHeight))
      image.close()
    }
    d.close()
  } catch (e) { out.push(String(e)) }
  return out.join(', ')
}
(async () => {
  for (const [i, type] of (await (await fetch('/pairs')).json()).entries()) {
    const show = type.startsWith('video/') ? video : picture, r = {}
    r.Before = await show('/in/' + i); r.After = await show('/out/' + i)
    if (show == picture && type != 'image/jpeg') {
      r.FramesIn = await frames('/in/' + i, type); r.FramesAfter = await frames('/out/' + i, type)
    }
    await fetch('/sums/' + i, {method: 'POST', body: JSON.stringify(r)})
  }
  await fetch('/done', {method: 'POST'})
})()
</script>`

// show has Chromium draw the pairs and fills in what it makes of them. It looks
// at what a recipient sees: the one check that notices a lost orientation, a
// lost colour profile and a changed pixel alike.
func show(t *testing.T, pairs []*canvasPair) {
	t.Helper()
	done := make(chan struct{})
	mux := http.NewServeMux()
	pair := func(r *http.Request) *canvasPair {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 || n >= len(pairs) {
			panic(http.ErrAbortHandler)
		}
		return pairs[n]
	}
	file := func(w http.ResponseWriter, r *http.Request, kind Kind, b []byte) {
		w.Header().Set("Content-Type", string(kind))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, canvasPage) })
	mux.HandleFunc("GET /pairs", func(w http.ResponseWriter, r *http.Request) {
		var kinds []Kind
		for _, p := range pairs {
			kinds = append(kinds, p.kind)
		}
		json.NewEncoder(w).Encode(kinds)
	})
	mux.HandleFunc("GET /in/{n}", func(w http.ResponseWriter, r *http.Request) { file(w, r, pair(r).kind, pair(r).in) })
	mux.HandleFunc("GET /out/{n}", func(w http.ResponseWriter, r *http.Request) { file(w, r, pair(r).kind, pair(r).out) })
	mux.HandleFunc("POST /sums/{n}", func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(pair(r)); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /done", func(http.ResponseWriter, *http.Request) { close(done) })
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Duration(len(pairs))*time.Second/2)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, mp4Tool(t, "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir="+home, "--remote-debugging-port=0", server.URL)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its children go with it
	var said bytes.Buffer
	cmd.Stderr = &said
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel, cmd.WaitDelay = kill, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-done:
		// Until none of the group is left that writes into the folder; who is stuck in the kernel does not.
		for end := time.Now().Add(10 * time.Second); kill() == nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		<-ended
	case err := <-ended:
		shown := 0
		for _, p := range pairs {
			if p.Before != "" {
				shown++
			}
		}
		t.Fatalf("chromium ended (%v, %v) at pair %d of %d\n%.2000s", err, ctx.Err(), shown, len(pairs), &said)
	}
}

// checkShown strips files and has them shown beside what they were.
func checkShown(t *testing.T, files map[string][]byte) (pairs []*canvasPair) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		out, _, err := stripBytes(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kind, _ := Recognise(bytes.NewReader(b), int64(len(b)))
		pairs = append(pairs, &canvasPair{name: name, kind: kind, in: b, out: out})
	}
	show(t, pairs)
	for _, p := range pairs {
		if !p.same() {
			t.Errorf("%s is shown differently\nbefore %.300s %.300s\nafter  %.300s %.300s", p.name, p.Before, p.FramesIn, p.After, p.FramesAfter)
		}
		if p.Before == "not shown" || p.Before == "" {
			t.Errorf("%s: chromium shows nothing", p.name)
		}
	}
	return pairs
}

// swapped is a profile that changes red and blue: whoever loses it shows other
// colours. Colorants of sRGB as in IEC 61966-2-1 annex F, adapted to D50.
func swapped() []byte {
	be := binary.BigEndian
	xyz := func(v ...uint32) []byte {
		b := []byte("XYZ \x00\x00\x00\x00")
		for _, x := range v {
			b = be.AppendUint32(b, x)
		}
		return b
	}
	white := xyz(0xf6d6, 0x10000, 0xd32d)
	red, green, blue := xyz(0x6fa2, 0x38f5, 0x390), xyz(0x6299, 0xb785, 0x18da), xyz(0x24a0, 0xf84, 0xb6cf)
	curve := []byte("curv\x00\x00\x00\x00\x00\x00\x00\x01\x02\x33\x00\x00")
	text := []byte("text\x00\x00\x00\x00" + canary)
	tags := []iccTag{{"desc", text}, {"cprt", text}, {"wtpt", white}, {"rXYZ", blue}, {"gXYZ", green}, {"bXYZ", red}, {"rTRC", curve}, {"gTRC", curve}, {"bTRC", curve}}
	p := make([]byte, 132+12*len(tags))
	copy(p[4:], "test\x02\x40\x00\x00mntrRGB XYZ ")
	copy(p[36:], "acspAPPL")
	copy(p[68:], white[8:])
	be.PutUint32(p[128:], uint32(len(tags)))
	for i, tag := range tags {
		for len(p)%4 != 0 {
			p = append(p, 0)
		}
		e := p[132+12*i:]
		copy(e, tag.name)
		be.PutUint32(e[4:], uint32(len(p)))
		be.PutUint32(e[8:], uint32(len(tag.body)))
		p = append(p, tag.body...)
	}
	be.PutUint32(p, uint32(len(p)))
	return p
}

// shownSamples are files whose look depends on what is around their pixels.
func shownSamples(t *testing.T) map[string][]byte {
	files := map[string][]byte{}
	for _, format := range []string{"jpeg", "png", "gif", "webp"} {
		for name, b := range testFiles(t, format) {
			files[name] = b
		}
	}
	for name, s := range dirty(t) {
		files[name] = s.b
	}
	profile := swapped()
	packed, err := deflateProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	lossy := testFiles(t, "webp")["lossy.webp"][12:]
	j, p := jpegSample(t, 40, 24), pngSample(t, 40, 24)
	vp8x := func(flags byte) []byte { return riffBytes("VP8X", string([]byte{flags, 0, 0, 0, 89, 0, 0, 69, 0, 0})) }
	for o := byte(1); o <= 8; o++ {
		exif := string(exifSample(o))
		files[fmt.Sprint("turned ", o, " jpeg")] = behindSOI(j, segment(0xe1, "Exif\x00\x00"+exif), segment(0xe2, iccMark+"\x01\x01"+string(profile)))
		files[fmt.Sprint("turned ", o, " png")] = behindIHDR(p, pngChunkBytes("eXIf", exif), pngChunkBytes("iCCP", string(packed)))
		files[fmt.Sprint("turned ", o, " webp")] = webpBytes(vp8x(0x28), riffBytes("ICCP", string(profile)), lossy, riffBytes("EXIF", exif))
	}
	files["gamma png"] = behindIHDR(p, pngChunkBytes("gAMA", "\x00\x01\x86\xa0"), pngChunkBytes("cHRM", string(be(31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600))))
	files["code points png"] = behindIHDR(p, pngChunkBytes("cICP", "\x0c\x0d\x00\x01"))
	// Colour chunks that contradict, and behind a palette, which decoders take in
	// different ways.
	gamma, icc, sRGB := pngChunkBytes("gAMA", "\x00\x01\x86\xa0"), pngChunkBytes("iCCP", string(packed)), pngChunkBytes("sRGB", "\x00")
	suggestion := pngChunkBytes("PLTE", canary[:9])
	for name, chunks := range map[string][][]byte{
		"sRGB, iCCP": {sRGB, icc}, "iCCP, sRGB": {icc, sRGB}, "gAMA, iCCP": {gamma, icc}, "sRGB, gAMA": {sRGB, gamma},
		"PLTE, gAMA": {suggestion, gamma}, "PLTE, iCCP": {suggestion, icc}, "sRGB, PLTE, iCCP": {sRGB, suggestion, icc},
		"iCCP, PLTE, sRGB": {icc, suggestion, sRGB}, "PLTE": {suggestion}, "gAMA, gAMA": {gamma, pngChunkBytes("gAMA", "\x00\x00\x40\x00")},
		"iCCP, iCCP": {pngChunkBytes("iCCP", pngProfileSample(t)), icc}, "gAMA, PLTE, gAMA": {gamma, suggestion, pngChunkBytes("gAMA", "\x00\x00\x40\x00")},
	} {
		files[name+" png"] = behindIHDR(p, chunks...)
	}
	grey := pngOf(ihdr(2, 2, 8, 3), pngChunkBytes("PLTE", "\x10\x60\xa0"), gamma, icc, pngChunkBytes("IDAT", deflated(make([]byte, 6))), pngChunkBytes("IEND", ""))
	files["indexed, late gamma png"], files["late profile png"] = grey, bytes.Replace(grey, gamma, nil, 1)
	odd, torn := bytes.Clone(profile), bytes.Clone(profile)
	copy(odd[68:80], make([]byte, 12))              // no illuminant: Chromium does not use it
	binary.BigEndian.PutUint32(torn[132+8:], 1<<20) // nor one with a tag outside
	files["odd profile jpeg"] = behindSOI(j, segment(0xe2, iccMark+"\x01\x01"+string(odd)))
	files["torn profile jpeg"] = behindSOI(j, segment(0xe2, iccMark+"\x01\x01"+string(torn)))
	files["adobe rgb jpeg"] = behindSOI(j, segment(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x00"))
	return files
}

// TestCanvas: what this package makes itself looks the same afterwards.
func TestCanvas(t *testing.T) {
	files := shownSamples(t)
	for _, path := range []string{mp4Plain(t),
		ffmpeg(t, "turned.mp4", "-i", mp4Plain(t), "-c", "copy", "-metadata:s:v", "rotate=90"),
		ffmpeg(t, "colour.mp4", append(mp4Sources("1"), "-c:v", "libx264", "-colorspace", "smpte170m", "-color_primaries", "bt470bg", "-color_trc", "smpte170m", "-pix_fmt", "yuv420p")...),
		ffmpeg(t, "wide.mp4", append(mp4Sources("1"), "-c:v", "libx264", "-vf", "setsar=4/3", "-pix_fmt", "yuv420p")...),
		ffmpeg(t, "pieces.mp4", append(mp4Sources("2"), "-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov")...)} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = b
	}
	animated := 0
	for _, p := range checkShown(t, files) {
		if strings.Count(p.FramesIn, ",") > 1 {
			animated++
		}
	}
	if animated < 4 {
		t.Errorf("%d animations were compared frame by frame", animated)
	}
}

// TestCanvasSees is the other side: a lost orientation, profile, colour marker,
// frame and a changed pixel are noticed.
func TestCanvasSees(t *testing.T) {
	j := jpegSample(t, 40, 24)
	files := shownSamples(t)
	changed := bytes.Clone(files["mandel.webp"])
	changed[len(changed)/2] ^= 0x10
	g := gifSample(t, 20, 10, 3)
	delayed := bytes.Clone(g)
	delayed[bytes.LastIndex(g, []byte("\x21\xf9\x04"))+4]++
	pairs := []*canvasPair{
		{name: "orientation", kind: JPEG, in: behindSOI(j, segment(0xe1, "Exif\x00\x00"+string(exifSample(6)))), out: j},
		{name: "half a turn", kind: JPEG, in: behindSOI(j, segment(0xe1, "Exif\x00\x00"+string(exifSample(3)))), out: j},
		{name: "profile", kind: JPEG, in: files["turned 1 jpeg"], out: j},
		{name: "profile png", kind: PNG, in: files["turned 1 png"], out: pngSample(t, 40, 24)},
		{name: "gamma", kind: PNG, in: files["gamma png"], out: pngSample(t, 40, 24)},
		{name: "colour marker", kind: JPEG, in: files["adobe rgb jpeg"], out: j},
		{name: "pixel", kind: WebP, in: files["mandel.webp"], out: changed},
		{name: "delay", kind: GIF, in: g, out: delayed},
	}
	show(t, pairs)
	for _, p := range pairs {
		if p.same() {
			t.Errorf("%s: nobody noticed: %.200s", p.name, p.Before)
		}
	}
}

// TestCanvasCorpus: so does what other people made. A gain map is a second
// picture by which a browser brightens the first; it goes by design.
func TestCanvasCorpus(t *testing.T) {
	kinds := []Kind{JPEG, PNG, GIF, WebP}
	if k := os.Getenv("EMBERDROP_CORPUS_KIND"); k != "" {
		kinds = []Kind{Kind(k)}
	}
	var pairs []*canvasPair
	for _, f := range corpusFiles(t, corpusDir(t), kinds...) {
		if f.err == nil {
			pairs = append(pairs, &canvasPair{name: f.path, kind: f.kind, in: f.in, out: f.out})
		}
	}
	show(t, pairs)
	type row struct{ shown, same, gain, not int }
	rows := map[Kind]*row{}
	for _, k := range kinds {
		rows[k] = &row{}
	}
	for _, p := range pairs {
		r := rows[p.kind]
		gain := bytes.Contains(p.in, []byte("hdrgm:Version")) || bytes.Contains(p.in, []byte("urn:iso:std:iso:ts:21496"))
		switch {
		case p.Before == "not shown":
			r.not++
			continue
		case p.same():
			r.same++
		case gain:
			r.gain++
		default:
			t.Errorf("%s is shown differently\nbefore %.300s %.300s\nafter  %.300s %.300s", p.name, p.Before, p.FramesIn, p.After, p.FramesAfter)
		}
		r.shown++
	}
	table := "| kind | shown by chromium | canvas the same | gain map gone | shown by nobody |\n|---|---|---|---|---|\n"
	for _, k := range kinds {
		table += fmt.Sprintf("| %s | %d | %d | %d | %d |\n", k, rows[k].shown, rows[k].same, rows[k].gain, rows[k].not)
	}
	t.Log("\n" + table)
}
