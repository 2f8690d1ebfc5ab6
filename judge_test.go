package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"testing"
	"time"

	"emberdrop/match"
)

// aScan is what serve would scan with, over an empty folder.
func aScan(t *testing.T, j judges) *scanFlags {
	t.Helper()
	s := &scanFlags{judges: j, scanTime: time.Minute, scanPixels: 1_000_000, unscanned: "hold"}
	if s.at == 0 {
		s.at = 0.85
	}
	if err := s.open(newFolder(t.TempDir(), "", "", nil)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scanFlags) of(b []byte, kind string) match.Action {
	return s.scan(context.Background(), kind, bytes.NewReader(b), int64(len(b))).Action
}

func aDrawing(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 160, 120))
	for y := range 120 {
		for x := range 160 {
			img.Set(x, y, color.RGBA{uint8(x*5 + y), uint8(y*y/8 + x), uint8((x ^ y) * 5), 255})
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestJudgeFlags(t *testing.T) {
	for text, want := range map[string]map[string]match.Action{
		"off":                {},
		"label":              {"porn": match.Label, "hentai": match.Label},
		"porn=hold,sexy=off": {"porn": match.Hold},
		"hentai=block":       {"hentai": match.Block},
		"pass":               nil,
		"gore=hold":          nil,
		"porn":               nil,
		"porn=maybe":         nil,
	} {
		got, err := classesOf(text)
		if (err != nil) != (want == nil) || err == nil && len(got) != len(want) {
			t.Errorf("--classify %s: %v, %v", text, got, err)
		}
		for class, action := range want {
			if got[class] != action {
				t.Errorf("--classify %s: %s is %v", text, class, got[class])
			}
		}
	}
	for text, fine := range map[string]bool{"violence=0.9:hold": true, "violence=0.9": false, "=0.5:hold": false, "a=2:hold": false, "a=0.5:burn": false} {
		if _, err := ruleOf(text); (err == nil) != fine {
			t.Errorf("--scan-rule %s: %v", text, err)
		}
	}
}

// TestJudgesFailClosed: a program that does not answer makes a hold, not a pass.
func TestJudgesFailClosed(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, j := range map[string]judges{
		"clamd": {classify: "off", clamd: none},
		"hook":  {classify: "off", hook: none, rules: []string{"violence=0.9:label"}},
	} {
		if got := aScan(t, j).of(aDrawing(t), "image/png"); got != match.Hold {
			t.Errorf("without its %s: %v", name, got)
		}
	}
}

// TestClassifierDecides: it runs, lets a harmless drawing pass, and what it says
// is done. What it cannot see is treated no worse than what it could find.
func TestClassifierDecides(t *testing.T) {
	for _, action := range []match.Action{match.Label, match.Hold, match.Block} {
		s := aScan(t, judges{classify: action.String()})
		if got := s.of(aDrawing(t), "image/png"); got != match.Pass {
			t.Errorf("%v: a drawing: %v", action, got)
		}
		if got, want := s.of([]byte("\x89PNG\r\n\x1a\nnonsense"), "image/png"), min(action, match.Hold); got != want {
			t.Errorf("%v: a picture that does not decode: %v, want %v", action, got, want)
		}
		if got := s.of([]byte("no picture"), "text/plain"); got != match.Pass {
			t.Errorf("%v: a text: %v", action, got)
		}
		s.at = 0 // everything is above it
		if got := s.of(aDrawing(t), "image/png"); got != action {
			t.Errorf("%v: with no threshold: %v", action, got)
		}
	}
	if got := aScan(t, judges{classify: "off"}).of([]byte("nonsense"), "image/png"); got != match.Pass {
		t.Errorf("off: %v", got)
	}
}
