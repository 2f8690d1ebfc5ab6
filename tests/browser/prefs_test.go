package browser

import (
	"fmt"
	"testing"
	"time"
)

// Marionette sets preferences of its own when it starts; none of them may undo
// one of Tor Browser's.
func TestPrefsHold(t *testing.T) {
	f := For(t, Config{SOCKS: "127.0.0.1:9", Patience: 20 * time.Second})
	const body = `return arguments[0].map(name => ({
		[Services.prefs.PREF_BOOL]: () => Services.prefs.getBoolPref(name),
		[Services.prefs.PREF_INT]: () => Services.prefs.getIntPref(name),
		[Services.prefs.PREF_STRING]: () => Services.prefs.getStringPref(name),
	})[Services.prefs.getPrefType(name)]())`
	names := make([]string, len(safest))
	for i, p := range safest {
		names[i] = p.name
	}
	var got []any
	if err := f.script("chrome", body, []any{names}, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(safest) {
		t.Fatalf("%d values for %d preferences", len(got), len(safest))
	}
	for i, p := range safest {
		if fmt.Sprint(got[i]) != fmt.Sprint(p.value) {
			t.Errorf("%s is %v, want %v", p.name, got[i], p.value)
		}
	}
}

func TestBadProxyAddress(t *testing.T) {
	for _, addr := range []string{"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"} {
		if writePrefs(t.TempDir(), Config{SOCKS: addr}) == nil {
			t.Errorf("%q is taken", addr)
		}
	}
}
