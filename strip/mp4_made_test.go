package strip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// The files here are made by hand, without the code that is tested, so that
// every byte of them can be wrong.

func mp4box(kind string, parts ...any) []byte {
	body := be(parts...)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// be joins numbers, strings and bytes in big endian.
func be(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(p))
		case uint8:
			b = append(b, p)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, p)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		default:
			panic("a part of no known kind")
		}
	}
	return b
}

// madeMP4 is a movie with one video track of one chunk, and what can be wrong
// with it. The zero value makes a good file.
type madeMP4 struct {
	samples [][]byte
	boxes   map[string][]byte // replaces boxes; empty: leaves them out
	stbl    []byte            // more boxes in stbl
	moov    []byte            // more boxes in moov
	front   []byte            // more boxes before moov
	behind  []byte            // bytes after mdat
	co64    bool
	offset  int // added to the chunk offset
	handler string
	entry   []byte
	brand   string
}

var (
	madeSPS   = []byte{0x67, 66, 0xc0, 10, 0xda, 0x3d, 0x94, 0x40}
	madePPS   = []byte{0x68, 0xce, 0x3c, 0x80}
	madeSlice = []byte{0x65, 0x88, 0x84, 1, 2, 3}
	madeSEI   = append([]byte{6, 5, 20}, append([]byte("0123456789abcdefx264"), 0x80)...)
)

// nals puts a length of four bytes in front of every unit.
func nals(units ...[]byte) []byte {
	var b []byte
	for _, u := range units {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(u))), u...)
	}
	return b
}

func avcC(sps, pps []byte) []byte {
	return mp4box("avcC", uint8(1), sps[1:4], uint8(0xff), uint8(0xe1), uint16(len(sps)), sps, uint8(1), uint16(len(pps)), pps)
}

func avc1(children ...any) []byte {
	return mp4box("avc1", 0, uint16(0), uint16(1), make([]byte, 16), uint16(16), uint16(16), 72<<16, 72<<16, 0, uint16(1),
		"\x08CANARY01", make([]byte, 23), uint16(24), uint16(0xffff), be(children...))
}

func (m madeMP4) bytes() []byte {
	if m.samples == nil {
		m.samples = [][]byte{nals(madeSEI, madeSlice), nals(madeSlice)}
	}
	if m.brand == "" {
		m.brand = "isom"
	}
	if m.handler == "" {
		m.handler = "vide"
	}
	if m.entry == nil {
		m.entry = avc1(avcC(madeSPS, madePPS))
	}
	pick := func(kind string, b []byte) []byte {
		if r, ok := m.boxes[kind]; ok {
			return r
		}
		return b
	}
	var sizes, media []byte
	for _, s := range m.samples {
		sizes = be(sizes, len(s))
		media = append(media, s...)
	}
	n := len(m.samples)
	moov := func(at int) []byte {
		offs := mp4box("stco", 0, 1, at)
		if m.co64 {
			offs = mp4box("co64", 0, 1, uint64(at))
		}
		stbl := mp4box("stbl",
			pick("stsd", mp4box("stsd", 0, 1, m.entry)),
			pick("stts", mp4box("stts", 0, 1, n, 512)),
			pick("stsc", mp4box("stsc", 0, 1, 1, n, 1)),
			pick("stsz", mp4box("stsz", 0, 0, n, sizes)),
			pick("stco", offs), m.stbl)
		dinf := mp4box("dinf", pick("dref", mp4box("dref", 0, 1, mp4box("url ", 1))))
		minf := mp4box("minf", mp4box("vmhd", 1, 0, 0), dinf, stbl)
		mdhd := pick("mdhd", mp4box("mdhd", 0, 99, 99, 12800, 512*n, uint16(0x55c4), uint16(0)))
		hdlr := mp4box("hdlr", 0, 0, m.handler, 0, 0, 0, "CANARY handler\x00")
		matrix := be(1<<16, 0, 0, 0, 1<<16, 0, 0, 0, 1<<30)
		tkhd := pick("tkhd", mp4box("tkhd", 3, 99, 99, 1, 0, 80, 0, 0, 0, 0, matrix, 16<<16, 16<<16))
		trak := mp4box("trak", tkhd, pick("edts", nil), pick("mdia", mp4box("mdia", mdhd, hdlr, minf)))
		mvhd := pick("mvhd", mp4box("mvhd", 0, 99, 99, 1000, 80, 1<<16, 1<<24, 0, 0, matrix, 0, 0, 0, 0, 0, 0, 2))
		return pick("moov", mp4box("moov", mvhd, trak, m.moov))
	}
	ftyp := mp4box("ftyp", m.brand, 512, m.brand)
	head := len(ftyp) + len(m.front) + len(moov(0)) + 8
	return be(ftyp, m.front, moov(head+m.offset), mp4box("mdat", media), m.behind)
}

func stripMade(b []byte) ([]byte, Removed, error) {
	var out bytes.Buffer
	removed, err := stripMP4(&out, bytes.NewReader(b), int64(len(b)))
	return out.Bytes(), removed, err
}

// mediaOf is the sample data of a result.
func mediaOf(out []byte) []byte {
	i := bytes.Index(out, []byte("mdat"))
	return out[i+4:]
}

// TestMP4Made: good files whose samples need work.
func TestMP4Made(t *testing.T) {
	annexB := bytes.Join([][]byte{madeSEI, madeSlice, madeSEI, madeSlice}, []byte{0, 0, 0, 1})
	aud := []byte{9, 0x10}
	slices := nals(madeSlice)
	twice := append(bytes.Clone(slices), slices...)
	recovery := []byte{6, 6, 1, 0xc4, 0x80}
	long := bytes.Repeat([]byte{0x65, 0xaa, 3, 0xee}, 300<<10/4*3)
	split := bytes.Clone(long[:mp4SampleWindow-2]) // the start code lies across two windows
	split = append(append(split, 0, 0, 1), madeSlice...)
	cases := []struct {
		name string
		file madeMP4
		want []byte
	}{
		{"plain", madeMP4{}, twice},
		{"co64", madeMP4{co64: true}, twice},
		{"bytes behind", madeMP4{behind: []byte("SEFTrailer CANARY")}, twice},
		{"boxes behind", madeMP4{behind: mp4box("uuid", "CANARY")}, twice},
		{"boxes in front", madeMP4{front: mp4box("free", "CANARY")}, twice},
		{"Annex B inside a unit", madeMP4{samples: [][]byte{nals(annexB)}}, twice},
		{"Annex B at its start", madeMP4{samples: [][]byte{nals(append([]byte{0, 0, 0, 1}, annexB...))}}, twice},
		{"Annex B at its end", madeMP4{samples: [][]byte{nals(append(bytes.Clone(annexB), 0, 0, 1))}}, twice},
		{"empty units", madeMP4{samples: [][]byte{nals(nil, madeSlice, nil, nil, madeSlice)}}, twice},
		{"zeros behind", madeMP4{samples: [][]byte{append(nals(madeSlice, madeSlice), 0, 0, 0)}}, twice},
		{"only SEI", madeMP4{samples: [][]byte{nals(madeSEI), nals(madeSlice)}}, slices},
		{"recovery point", madeMP4{samples: [][]byte{nals(recovery, madeSlice)}}, nals(recovery, madeSlice)},
		{"two messages", madeMP4{samples: [][]byte{nals(append(madeSEI[:23:23], 6, 1, 0xc4, 0x80), madeSlice)}}, nals(recovery, madeSlice)},
		{"delimiter with more", madeMP4{samples: [][]byte{nals([]byte("\x09\x10CANARY"), madeSlice)}}, nals(aud, madeSlice)},
		{"unknown units", madeMP4{samples: [][]byte{nals([]byte("\x18CANARY"), []byte("\x0cfiller"), []byte("\x80"), []byte("\xe5CANARY"), madeSlice)}}, slices},
		{"long unit", madeMP4{samples: [][]byte{nals(long, madeSEI)}}, nals(long)},
		{"start code across windows", madeMP4{samples: [][]byte{nals(split)}}, nals(split[:len(split)-len(madeSlice)-3], madeSlice)},
		{"SEI of a megabyte", madeMP4{samples: [][]byte{nals(append([]byte{6}, bytes.Repeat([]byte{0xff}, 1<<20)...), madeSlice)}}, slices},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, _, err := stripMade(c.file.bytes())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(mediaOf(out), c.want) {
				t.Errorf("samples are %.80x, want %.80x", mediaOf(out), c.want)
			}
			checkMP4Clean(t, out)
		})
	}
}

// TestMP4Refused: what is not taken says so, and says what it was.
func TestMP4Refused(t *testing.T) {
	good := madeMP4{}.bytes()
	stbl := func(kind string, parts ...any) madeMP4 {
		return madeMP4{boxes: map[string][]byte{kind: mp4box(kind, parts...)}}
	}
	file := func(m madeMP4) []byte { return m.bytes() }
	again := func(at int) []byte { // 100 chunks, all in the same place
		return madeMP4{samples: [][]byte{nals(madeSlice)}, boxes: map[string][]byte{
			"stsz": mp4box("stsz", 0, len(nals(madeSlice)), 100), "stts": mp4box("stts", 0, 1, 100, 1),
			"stsc": mp4box("stsc", 0, 1, 1, 1, 1), "stco": mp4box("stco", 0, 100, bytes.Repeat(be(at), 100)),
		}}.bytes()
	}
	inFree := mp4box("free", nals(madeSEI, madeSlice), nals(madeSlice))
	atFree := bytes.Index(file(madeMP4{front: inFree}), []byte("mdat")) + 4
	deep := []byte{}
	for range 2000 {
		deep = mp4box("moov", deep)
	}
	cases := []struct {
		name  string
		file  []byte
		found string // of the UnsupportedError; empty: ErrDamaged
	}{
		{"HEVC", file(madeMP4{entry: mp4box("hvc1", make([]byte, 78))}), "HEVC (H.265) video"},
		{"AV1", file(madeMP4{entry: mp4box("av01", make([]byte, 78))}), "AV1 video"},
		{"VP9", file(madeMP4{entry: mp4box("vp09", make([]byte, 78))}), "VP9 video"},
		{"unknown video", file(madeMP4{entry: mp4box("none", make([]byte, 78))}), "MP4 whose video is not H.264"},
		{"AC-3", file(madeMP4{handler: "soun", entry: mp4box("ac-3", make([]byte, 28))}), "Dolby (AC-3) sound"},
		{"PCM", file(madeMP4{handler: "soun", entry: mp4box("sowt", make([]byte, 28))}), "PCM sound"},
		{"pictures", file(madeMP4{entry: mp4box("jpeg", make([]byte, 78))}), "MP4 without a video or sound track"},
		{"only metadata", file(madeMP4{handler: "meta"}), "MP4 without a video or sound track"},
		{"encrypted entry", file(madeMP4{entry: mp4box("encv", make([]byte, 78))}), errMP4Encrypted.Found},
		{"sinf", file(madeMP4{entry: avc1(avcC(madeSPS, madePPS), mp4box("sinf"))}), errMP4Encrypted.Found},
		{"pssh", file(madeMP4{moov: mp4box("pssh", 0)}), errMP4Encrypted.Found},
		{"QuickTime", file(madeMP4{brand: "qt  "}), "QuickTime (MOV) video"},
		{"other file", file(stbl("dref", 0, 1, mp4box("url ", 0, "http://example.org/x\x00"))), "video whose data is in another file"},

		{"empty", nil, ""},
		{"cut header", good[:11], ""},
		{"no moov", good[:20], ""},
		{"4 GB in little", be(mp4box("ftyp", "isom", 0), 0xffffffff-1<<32, "moov"), ""},
		{"16 EB in little", be(mp4box("ftyp", "isom", 0), 1, "moov", ^uint64(0)), ""},
		{"size of 64 bits, negative", be(mp4box("ftyp", "isom", 0), 1, "moov", uint64(1)<<63|40, make([]byte, 40)), ""},
		{"size below header", be(mp4box("ftyp", "isom", 0), 7, "moov", make([]byte, 40)), ""},
		{"nested moov", be(mp4box("ftyp", "isom", 0), deep), ""},
		{"two moov", append(bytes.Clone(good), mp4box("moov")...), ""},
		{"two tkhd", file(madeMP4{boxes: map[string][]byte{"edts": mp4box("tkhd", make([]byte, 84))}}), ""},
		{"cmov", file(madeMP4{moov: mp4box("cmov")}), ""},
		{"chunk outside", file(madeMP4{offset: 1 << 20}), ""},
		{"chunk in moov", file(madeMP4{offset: -100}), ""},
		{"chunk past end by one", file(madeMP4{offset: 1}), ""},
		{"co64 at 2^63", file(madeMP4{boxes: map[string][]byte{"stco": mp4box("co64", 0, 1, uint64(1)<<63)}}), ""},
		{"huge stco", file(stbl("stco", 0, -1)), ""},
		{"huge stsz", file(stbl("stsz", 0, 0, -1)), ""},
		{"huge constant stsz", file(stbl("stsz", 0, 1, -1)), ""},
		{"8M of one byte", file(stbl("stsz", 0, 1, 8<<20)), ""},
		{"the same bytes again and again", again(bytes.Index(again(0), []byte("mdat")) + 4), ""},
		{"samples in a free box", file(madeMP4{front: inFree, offset: 28 - atFree}), ""},
		{"amplified", file(stbl("stsz", 0, 30, 60)), ""},
		{"huge stts", file(stbl("stts", 0, -1)), ""},
		{"short stts", file(stbl("stts", 0, 1, 1, 512)), ""},
		{"no stts", file(madeMP4{boxes: map[string][]byte{"stts": {}}}), ""},
		{"stsc from 2", file(stbl("stsc", 0, 1, 2, 2, 1)), ""},
		{"stsc without samples", file(stbl("stsc", 0, 1, 1, 0, 1)), ""},
		{"stsc to no entry", file(stbl("stsc", 0, 1, 1, 2, 2)), ""},
		{"stsc backwards", file(stbl("stsc", 0, 2, 1, 1, 1, 1, 1, 1)), ""},
		{"stss backwards", file(madeMP4{stbl: mp4box("stss", 0, 2, 2, 1)}), ""},
		{"stss past end", file(madeMP4{stbl: mp4box("stss", 0, 1, 3)}), ""},
		{"timescale 0", file(stbl("mdhd", 0, 0, 0, 0, 0, 0)), ""},
		{"edits of 2^56 and more", file(madeMP4{boxes: map[string][]byte{"edts": mp4box("edts", mp4box("elst", 1<<24, 1, uint64(1)<<60, uint64(0), 1<<16))}}), ""},
		{"edit at -2", file(madeMP4{boxes: map[string][]byte{"edts": mp4box("edts", mp4box("elst", 0, 1, 5, -2, 1<<16))}}), ""},
		{"unit larger than sample", file(madeMP4{samples: [][]byte{be(100, madeSlice)}}), ""},
		{"unit of 4 GB", file(madeMP4{samples: [][]byte{be(-1, madeSlice)}}), ""},
		{"bytes behind units", file(madeMP4{samples: [][]byte{append(nals(madeSlice), 7, 7)}}), ""},
		{"no avcC", file(madeMP4{entry: avc1()}), ""},
		{"cut avcC", file(madeMP4{entry: avc1(mp4box("avcC", uint8(1), "abc", uint8(0xff), uint8(0xe1), uint16(500)))}), ""},
		{"data reference 0", file(stbl("dref", 0, 0)), ""},
		{"fragment without mvex", append(bytes.Clone(good), mp4box("moof")...), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := stripMade(c.file)
			var unsupported *UnsupportedError
			switch {
			case err == nil:
				t.Fatal("taken")
			case c.found == "" && !errors.Is(err, ErrDamaged):
				t.Errorf("got %v, want ErrDamaged", err)
			case c.found != "" && (!errors.As(err, &unsupported) || unsupported.Found != c.found || unsupported.Hint == ""):
				t.Errorf("got %v, want %q and a hint", err, c.found)
			}
		})
	}
}

// readCounter counts how much is read.
type readCounter struct {
	r *bytes.Reader
	n int64
}

func (c *readCounter) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	c.n += int64(n)
	return n, err
}

// TestMP4BoundedReading: chunks in reverse order must not make every one cost a
// whole buffer.
func TestMP4BoundedReading(t *testing.T) {
	const n = 20000
	unit := nals([]byte{0x65})
	var samples [][]byte
	for range n {
		samples = append(samples, unit)
	}
	make := func(first int) []byte {
		var offs []byte
		for i := range n {
			offs = binary.BigEndian.AppendUint32(offs, uint32(first+(n-1-i)*len(unit)))
		}
		return madeMP4{samples: samples, boxes: map[string][]byte{
			"stsc": mp4box("stsc", 0, 1, 1, 1, 1), "stco": mp4box("stco", 0, n, offs),
		}}.bytes()
	}
	b := make(0)
	b = make(bytes.Index(b, []byte("mdat")) + 4)
	src := &readCounter{r: bytes.NewReader(b)}
	if _, err := stripMP4(io.Discard, src, int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if most := int64(20*len(b)) + 4*mp4SampleWindow; src.n > most {
		t.Errorf("read %d bytes of a file of %d, want at most %d", src.n, len(b), most)
	}
}
