// Package browser drives real browsers, headless, with page JavaScript off,
// through a SOCKS5 proxy: Firefox ESR with the preferences of Tor Browser's
// Safest level, and Chromium. It speaks Marionette and the DevTools protocol
// itself and needs the standard library only. It knows no
// page, no address and no room of emberdrop: a test says what to open and what
// to expect. It never waits for a page to have loaded, because a page with a
// streamed frame never has; it waits for selectors. What a method of both
// browsers does is said at Firefox's.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ErrMissing means that Firefox ESR is not installed.
var ErrMissing = errors.New("firefox-esr is not installed (apt install firefox-esr)")

// Config says how a browser is started. Only SOCKS is needed.
type Config struct {
	SOCKS    string        // host:port of the SOCKS5 proxy that everything goes through, names included; empty: Chromium goes without
	Dir      string        // profile folder, kept after Close; empty: a temporary one, removed by Close
	Width    int           // width of the page in CSS pixels, exactly; 0: 1400 x 800, letterboxed in Firefox as Tor Browser does
	Height   int           // height of the page, with Width; 0: 800
	Dark     bool          // a reader who prefers dark pages; false: light, as Tor Browser always says
	Script   bool          // page JavaScript on; false: off, as at Safest
	Shots    string        // folder for screenshots, made when missing; empty: Screenshot is an error
	Patience time.Duration // how long a call waits for what it needs to appear; 0: one minute
}

// Firefox is one running browser with one window. It is for one goroutine.
type Firefox struct {
	cfg     Config
	ctx     context.Context
	cancel  context.CancelFunc
	process *process
	conn    *conn
	dir     string
	frames  []string // element references of the frames gone into, outermost first
}

// For starts Firefox for a test and closes it when the test ends. Where Firefox
// is missing the test is skipped, except under CI=true, where it fails.
func For(t testing.TB, cfg Config) *Firefox {
	t.Helper()
	f, err := Start(t.Context(), cfg)
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Start starts Firefox and returns when it takes commands (3 to 10 seconds).
// When ctx ends Firefox is killed. The error is ErrMissing when it is not
// installed.
func Start(ctx context.Context, cfg Config) (f *Firefox, err error) {
	program, err := exec.LookPath("firefox-esr")
	if err != nil {
		return nil, ErrMissing
	}
	if cfg.Patience == 0 {
		cfg.Patience = time.Minute
	}
	if cfg.Height == 0 {
		cfg.Height = 800
	}
	f = &Firefox{cfg: cfg, dir: cfg.Dir}
	f.ctx, f.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = fmt.Errorf("start firefox: %w%s", err, lastWords(f.dir))
			f.Close()
			f = nil
		}
	}()
	if cfg.Dir == "" {
		f.dir, err = os.MkdirTemp("", "emberdrop-firefox-")
	} else {
		f.dir, err = filepath.Abs(cfg.Dir)
	}
	if err != nil {
		return f, err
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return f, err
	}
	if err := writePrefs(f.dir, cfg); err != nil {
		return f, err
	}
	portFile := filepath.Join(f.dir, "MarionetteActivePort")
	os.Remove(portFile) // of an earlier run in the same folder
	// The last variable makes Firefox heed the preference, set by Marionette,
	// that its settings come from nowhere.
	env := append(os.Environ(), "HOME="+f.dir, "MOZ_CRASHREPORTER_DISABLE=1",
		"MOZ_HEADLESS_WIDTH=1400", "MOZ_HEADLESS_HEIGHT=900",
		"MOZ_REMOTE_SETTINGS_DEVTOOLS=1")
	f.process, err = launch(f.ctx, program, f.dir, env, nil, "--headless", "--no-remote",
		"--profile", f.dir, "--marionette", "--remote-allow-system-access")
	if err != nil {
		return f, err
	}
	if err := f.connect(portFile); err != nil {
		return f, err
	}
	if err := f.script("chrome", watchRequests, nil, nil); err != nil {
		return f, err
	}
	if cfg.Width > 0 {
		return f, f.Resize(cfg.Width, cfg.Height)
	}
	return f, nil
}

// startup is how long Firefox may take until it takes commands, whatever
// Config.Patience is: 3 to 5 seconds on an idle machine.
const startup = 90 * time.Second

// connect waits for the port that Firefox has chosen and opens the session.
func (f *Firefox) connect(portFile string) error {
	var port string
	err := poll(f.ctx, startup, func() (bool, error) {
		select {
		case <-f.process.done:
			return false, errors.New("it ended at once")
		default:
		}
		raw, err := os.ReadFile(portFile)
		port = strings.TrimSpace(string(raw))
		return err == nil && port != "", nil
	})
	if err != nil {
		return err
	}
	f.conn, err = dial(net.JoinHostPort("127.0.0.1", port), startup)
	if err != nil {
		return err
	}
	// Flat parameters: nested capabilities are ignored, and then every
	// navigation would wait 300 s for a page with a streamed frame to load.
	var session struct {
		Capabilities struct {
			PageLoadStrategy string `json:"pageLoadStrategy"`
		} `json:"capabilities"`
	}
	err = f.conn.call(startup, "WebDriver:NewSession", map[string]any{"pageLoadStrategy": "none"}, &session)
	if err == nil && session.Capabilities.PageLoadStrategy != "none" {
		err = errors.New("it does not take the page load strategy")
	}
	return err
}

// Close kills Firefox and returns when no process of it is left. It may be
// called more than once.
func (f *Firefox) Close() error {
	if f.conn != nil {
		f.conn.close()
		f.conn = nil
	}
	if f.process != nil {
		// No tidy shutdown: it takes two seconds, and the profile of a private
		// window holds nothing that it would save.
		f.process.stop()
		f.process = nil
	}
	f.cancel()
	if f.cfg.Dir == "" && f.dir != "" {
		return os.RemoveAll(f.dir)
	}
	return nil
}

// errClosed means a call on a browser that has ended.
var errClosed = errors.New("the browser is closed")

// call runs one command within Config.Patience.
func (f *Firefox) call(command string, params map[string]any, out any) error {
	if f.conn == nil {
		return errClosed
	}
	if err := f.ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return f.conn.call(f.cfg.Patience, command, params, out)
}

// poll runs check until it is true, fails, or Config.Patience runs out.
func (f *Firefox) poll(check func() (bool, error)) error { return poll(f.ctx, f.cfg.Patience, check) }
