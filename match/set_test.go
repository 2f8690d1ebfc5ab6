package match

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"slices"
	"strings"
	"sync"
	"testing"
)

func digestsOf(t *testing.T, s string) Digests {
	t.Helper()
	d, err := DigestsOf(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	if d.MD5 != md5.Sum([]byte(s)) || d.SHA1 != sha1.Sum([]byte(s)) || d.SHA256 != sha256.Sum256([]byte(s)) {
		t.Fatalf("the digests of %q are wrong", s)
	}
	return d
}

func emptyBank(t *testing.T) *Bank {
	t.Helper()
	bank, err := NewBank(strings.NewReader(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	return bank
}

func TestActions(t *testing.T) {
	if !(Pass < Label && Label < Hold && Hold < Block) {
		t.Error("the actions are out of order")
	}
	for _, a := range []Action{Pass, Label, Hold, Block} {
		if got, err := ParseAction(strings.ToUpper(a.String())); got != a || err != nil {
			t.Errorf("%s: %s, %v", a, got, err)
		}
	}
	if _, err := ParseAction("smile"); !errors.Is(err, ErrAction) {
		t.Error(err)
	}
	for _, s := range []string{"", "0", strings.Repeat("x", 64), strings.Repeat("0", 65)} {
		if _, err := ParsePDQ(s); !errors.Is(err, ErrPDQ) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// The greatest action of all lists holds; a dry run is reported only.
func TestVerdict(t *testing.T) {
	photo := scene(240, 180, 1)
	hash, _ := Hash(photo)
	file := digestsOf(t, "the file")
	digest := func(k Kind) Entry {
		for _, e := range file.Entries() {
			if e.Kind == k {
				return e
			}
		}
		panic("no digest")
	}
	other := random(newDice(1))
	tests := []struct {
		name  string
		lists []List
		want  Action
		found string
	}{
		{"nothing", nil, Pass, ""},
		{"other things", []List{pdqList("a", other), {Name: "b", Action: Block, Entries: digestsOf(t, "another").Entries()}}, Pass, ""},
		{"PDQ", []List{pdqList("a", hash)}, Hold, "hold: a pdq, distance 0"},
		{"MD5", []List{{Name: "a", Action: Label, Entries: []Entry{digest(KindMD5)}}}, Label, "label: a md5"},
		{"SHA-1", []List{{Name: "a", Action: Block, Entries: []Entry{digest(KindSHA1)}}}, Block, "block: a sha1"},
		{"SHA-256", []List{{Name: "a", Action: Block, Entries: []Entry{digest(KindSHA256)}}}, Block, "block: a sha256"},
		{"an MD5 among SHA-1s", []List{{Name: "a", Action: Block, Entries: []Entry{{Kind: KindSHA1, Sum: digest(KindMD5).Sum}}}}, Pass, ""},
		{"two lists", []List{pdqList("a", hash), {Name: "b", Action: Block, Entries: []Entry{digest(KindMD5)}}}, Block, "block: b md5|hold: a pdq, distance 0"},
		{"a dry run", []List{{Name: "a", Action: Block, DryRun: true, Entries: file.Entries()[:1]}, pdqList("b", hash)}, Hold, "block: a md5, dry run|hold: b pdq, distance 0"},
		{"only a dry run", []List{{Name: "a", Action: Block, DryRun: true, Entries: file.Entries()[:1]}}, Pass, "block: a md5, dry run"},
		{"a list that asks for nothing", []List{{Name: "a", Entries: file.Entries()[:1]}}, Pass, "pass: a md5"},
		{"the nearest of a list", []List{pdqList("a", flipped(newDice(2), hash, 20), flipped(newDice(3), hash, 6), flipped(newDice(4), hash, 12))}, Hold, "hold: a pdq, distance 6"},
		{"at the list's distance", []List{{Name: "a", Action: Hold, Distance: 12, Entries: []Entry{PDQEntry(flipped(newDice(5), hash, 12))}}}, Hold, "hold: a pdq, distance 12"},
		{"beyond it", []List{{Name: "a", Action: Hold, Distance: 12, Entries: []Entry{PDQEntry(flipped(newDice(5), hash, 13))}}}, Pass, ""},
	}
	for _, test := range tests {
		v := NewSet(emptyBank(t), test.lists...).Check([]Digests{digestsOf(t, "other bytes"), file}, []image.Image{scene(64, 64, 99), photo})
		var found []string
		for _, f := range v.Findings {
			found = append(found, f.String())
		}
		if v.Action != test.want || strings.Join(found, "|") != test.found {
			t.Errorf("%s: %s, %q, want %s, %q", test.name, v.Action, found, test.want, test.found)
		}
	}
	// No digests are no match, even when a list holds zeros; and no bank is fine.
	zeros := List{Name: "a", Action: Block, Entries: []Entry{{Kind: KindMD5}, {Kind: KindSHA1}, {Kind: KindSHA256}}}
	if v := NewSet(nil, zeros).Check([]Digests{{}}, nil); v.Action != Pass {
		t.Errorf("no digests: %v", v)
	}
}

// All eight orientations of a picture are looked up, and what shows on white or
// on black only.
func TestViews(t *testing.T) {
	photo := scene(240, 180, 5)
	hash, _ := Hash(photo)
	set := NewSet(nil, pdqList("a", hash))
	turned := image.Image(photo)
	for i := range 8 {
		if i == 4 {
			turned = mirrored(turned)
		}
		if v := set.Check(nil, []image.Image{turned}); v.Action != Hold || v.Findings[0].Distance > 30 {
			t.Errorf("orientation %d: %v", i, v)
		}
		turned = rotated(turned)
	}
	// A picture that is in the alpha only: a flat colour with holes.
	for _, background := range []uint8{0, 255} {
		hidden := image.NewNRGBA(photo.Rect)
		for y := range 180 {
			for x := range 240 {
				grey := color.GrayModel.Convert(photo.At(x, y)).(color.Gray).Y
				if background == 255 {
					grey = 255 - grey
				}
				hidden.SetNRGBA(x, y, color.NRGBA{255 - background, 255 - background, 255 - background, grey})
			}
		}
		shown := image.NewRGBA(photo.Rect)
		draw.Draw(shown, shown.Rect, image.NewUniform(color.Gray{background}), image.Point{}, draw.Src)
		draw.Draw(shown, shown.Rect, hidden, image.Point{}, draw.Over)
		hash, quality := Hash(shown)
		if quality < MinQuality {
			t.Fatalf("quality %d", quality)
		}
		if v := NewSet(nil, pdqList("a", hash)).Check(nil, []image.Image{hidden}); v.Action != Hold {
			t.Errorf("shown on %d: %v", background, v)
		}
	}
	// Below the quality nothing is looked up.
	flat := image.NewGray(image.Rect(0, 0, 100, 100))
	for i := range flat.Pix {
		flat.Pix[i] = uint8(100 + i%100/20)
	}
	hash, quality := Hash(flat)
	if v := NewSet(nil, pdqList("a", hash)).Check(nil, []image.Image{flat}); quality >= MinQuality || v.Action != Pass {
		t.Errorf("a flat picture of quality %d: %v", quality, v)
	}
}

// A picture of any type and with bounds anywhere has the hash of its pixels.
func TestColourModels(t *testing.T) {
	base := drawn(120, 90, 4)
	want, quality := Hash(base)
	moved := image.NewRGBA64(image.Rect(-30, 1000, 90, 1090))
	draw.Draw(moved, moved.Rect, base, image.Point{}, draw.Src)
	rgba := image.NewRGBA(image.Rect(5, 5, 125, 95))
	draw.Draw(rgba, rgba.Rect, base, image.Point{}, draw.Src)
	large := image.NewRGBA(image.Rect(0, 0, 300, 300))
	draw.Draw(large, image.Rect(50, 60, 170, 150), base, image.Point{}, draw.Src)
	for name, img := range map[string]image.Image{"RGBA64": moved, "RGBA": rgba, "a part": large.SubImage(image.Rect(50, 60, 170, 150))} {
		if got, q := Hash(img); got != want || q != quality {
			t.Errorf("%s: %d bits differ, quality %d, want %d", name, got.Distance(want), q, quality)
		}
	}
}

func TestTrim(t *testing.T) {
	inner := image.Rect(0, 0, 200, 150)
	photo := scene(200, 150, 8)
	if got := trims(straight(photo), photo.Rect); len(got) != 1 || got[0] != inner {
		t.Errorf("without a border: %v", got)
	}
	framed := bordered(bordered(photo, color.White, 5, 5), color.Black, 10, 0)
	want := inner.Add(image.Pt((framed.Bounds().Dx()-200)/2, (framed.Bounds().Dy()-150)/2))
	if got := trims(straight(framed), framed.Bounds()); !slices.Contains(got, want) {
		t.Errorf("within two frames: %v, want %v", got, want)
	}
	// A picture whose own edge is nearly of the border's colour.
	pale := copied(photo)
	draw.Draw(pale, image.Rect(0, 0, 200, 20), image.NewUniform(color.Gray{243}), image.Point{}, draw.Src)
	framed = bordered(pale, color.White, 5, 5)
	if got := trims(straight(framed), framed.Bounds()); !slices.Contains(got, inner.Add(image.Pt(10, 7))) {
		t.Errorf("around a pale edge: %v", got)
	}
	if blank := image.NewGray(image.Rect(0, 0, 100, 100)); trim(straight(blank), blank.Rect, borderLoose, borderRounds).Dx() < 20 {
		t.Error("nothing is left of a blank picture")
	}
}

// A reload exchanges the lists as a whole, while others look things up.
func TestReplace(t *testing.T) {
	file := digestsOf(t, "x")
	both := func(action Action) []List {
		return []List{{Name: "a", Action: action, Entries: file.Entries()[:1]}, {Name: "b", Action: action, Entries: file.Entries()[1:2]}}
	}
	set := NewSet(nil, both(Hold)...)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				v := set.Check([]Digests{file}, nil)
				if len(v.Findings) != 2 || v.Findings[0].Action != v.Findings[1].Action {
					t.Errorf("half of a reload: %v", v)
					return
				}
			}
		})
	}
	for i := range 500 {
		set.Replace(both([]Action{Hold, Block}[i%2]))
	}
	close(done)
	readers.Wait()
	if set.Empty() {
		t.Error("a set with lists is empty")
	}
	if set.Replace(nil); !set.Empty() {
		t.Error("a set without lists is not empty")
	}
}

// What is added holds at once, and has been saved before it does.
func TestBank(t *testing.T) {
	var saved []byte
	fail := error(nil)
	bank, err := NewBank(strings.NewReader(""), func(text []byte) error {
		if fail == nil {
			saved = bytes.Clone(text)
		}
		return fail
	})
	if err != nil {
		t.Fatal(err)
	}
	set := NewSet(bank)
	photo := scene(240, 180, 3)
	file := digestsOf(t, "stored")
	entries := BankEntries([]Digests{file}, []image.Image{photo})
	check := func(want Action) {
		t.Helper()
		if v := set.Check([]Digests{file}, nil); v.Action != want {
			t.Errorf("the same bytes: %v, want %s", v, want)
		}
		if v := set.Check(nil, []image.Image{asJPEG(photo, 40)}); v.Action != want {
			t.Errorf("the same picture: %v, want %s", v, want)
		}
	}
	check(Pass)
	fail = errors.New("no room")
	if n, err := bank.Add("K1", "2026-11-22", entries); !errors.Is(err, fail) {
		t.Errorf("added %d, %v", n, err)
	}
	check(Pass)
	fail = nil
	if n, err := bank.Add("K1", "2026-11-22", entries); n != len(entries) || err != nil {
		t.Errorf("added %d of %d, %v", n, len(entries), err)
	}
	check(Block)
	if n, err := bank.Add("K2", "2026-11-23", append(entries, PDQEntry(random(newDice(9))))); n != 1 || err != nil {
		t.Errorf("added %d, want the new one, %v", n, err)
	}
	if v := set.Check(nil, []image.Image{photo}); v.Findings[0].Case != "K1" || v.Findings[0].List != BankName {
		t.Errorf("%+v", v.Findings[0])
	}
	// A start with what was saved is the same bank.
	again, err := NewBank(bytes.NewReader(saved), nil)
	if err != nil || fmt.Sprint(again.Entries()) != fmt.Sprint(bank.Entries()) {
		t.Errorf("%v: %d entries of %d", err, again.Len(), bank.Len())
	}
	fail = errors.New("no room")
	if _, err := bank.Remove("K1"); !errors.Is(err, fail) {
		t.Error(err)
	}
	check(Block)
	fail = nil
	if n, err := bank.Remove("K1"); n != len(entries) || err != nil || bank.Len() != 1 {
		t.Errorf("removed %d, %v", n, err)
	}
	check(Pass)
	for _, id := range []string{"", "a b", "x\ny", "ä", strings.Repeat("k", 65)} {
		if _, err := bank.Add(id, "2026-11-22", entries); !errors.Is(err, ErrCase) {
			t.Errorf("case %q: %v", id, err)
		}
	}
	if _, err := bank.Add("K", "2026 11", entries); !errors.Is(err, ErrCase) {
		t.Errorf("a day with a space: %v", err)
	}
	for _, text := range []string{"pdq " + pdqA, "pdq " + pdqA + " K1", "pdq " + zero + " K1 2026-11-22", "pdq " + pdqA + " K1 2026-11-22 x", "smile", "md5 " + pdqA + " K1 2026-11-22"} {
		if _, err := NewBank(strings.NewReader(bankHead+text+"\n"), nil); !errors.Is(err, ErrBank) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The bank blocks up to 31 bits, holds up to 48, and passes beyond.
func TestBankDistances(t *testing.T) {
	hash := random(newDice(6))
	bank := emptyBank(t)
	if _, err := bank.Add("K1", "2026-11-22", []Entry{PDQEntry(hash)}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		bits int
		want Action
	}{{0, Block}, {31, Block}, {32, Hold}, {48, Hold}, {49, Pass}} {
		var found findings
		bank.near(flipped(newDice(7), hash, test.bits).words(), found.add)
		if v := found.verdict(); v.Action != test.want || test.want != Pass && v.Findings[0].Distance != test.bits {
			t.Errorf("%d bits: %v, want %s", test.bits, v, test.want)
		}
	}
}
