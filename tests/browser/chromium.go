package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ErrNoChromium means that Chromium is not installed.
var ErrNoChromium = errors.New("chromium is not installed (apt install chromium)")

// Chromium is one running browser with one tab. It is for one goroutine.
type Chromium struct {
	cfg      Config
	ctx      context.Context
	cancel   context.CancelFunc
	process  *process
	conn     *devtools
	dir      string
	frames   []string // selectors of the frames gone into, outermost first
	requests *requests
}

// ForChromium starts Chromium for a test and closes it when the test ends. Where
// it is missing the test is skipped, except under CI=true, where it fails.
func ForChromium(t testing.TB, cfg Config) *Chromium {
	t.Helper()
	c, err := StartChromium(t.Context(), cfg)
	if errors.Is(err, ErrNoChromium) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// StartChromium starts Chromium and returns when it takes commands (1 to 3
// seconds). When ctx ends it is killed. The error is ErrNoChromium when it is not
// installed.
func StartChromium(ctx context.Context, cfg Config) (c *Chromium, err error) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return nil, ErrNoChromium
	}
	if cfg.Patience == 0 {
		cfg.Patience = time.Minute
	}
	if cfg.Width == 0 {
		cfg.Width = 1400
	}
	if cfg.Height == 0 {
		cfg.Height = 800
	}
	c = &Chromium{cfg: cfg, dir: cfg.Dir, requests: &requests{byID: map[string]int{}}}
	c.ctx, c.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = fmt.Errorf("start chromium: %w%s", err, lastWords(c.dir))
			c.Close()
			c = nil
		}
	}()
	if cfg.Dir == "" {
		c.dir, err = os.MkdirTemp("", "emberdrop-chromium-")
	} else if c.dir, err = filepath.Abs(cfg.Dir); err == nil {
		err = os.MkdirAll(c.dir, 0o700)
	}
	if err != nil {
		return c, err
	}
	if err := c.launch(program); err != nil {
		return c, err
	}
	return c, c.attach()
}

// launch starts the process with the two pipes that it is spoken to through.
func (c *Chromium) launch(program string) error {
	theirIn, to, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirIn.Close()
	from, theirOut, err := os.Pipe()
	if err != nil {
		to.Close()
		return err
	}
	defer theirOut.Close()
	scheme := "preferredColorScheme=1"
	if c.cfg.Dark {
		scheme = "preferredColorScheme=0"
	}
	if !c.cfg.Script {
		scheme += ",scriptEnabled=false"
	}
	args := []string{"--headless", "--remote-debugging-pipe", "--user-data-dir=" + c.dir, "--blink-settings=" + scheme,
		"--no-sandbox", // root has no other way, and CI is root
		"--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--disable-breakpad",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-domain-reliability", "--no-pings",
		// An onion has no https; elsewhere too an address is taken as it was typed.
		"--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints,MediaRouter,AutofillServerCommunication",
		// Few of the calls of Chromium's own; some hosts of its maker it asks for all the same.
		"--disable-extensions", "--disable-default-apps", "--disable-component-extensions-with-background-pages", "--disable-client-side-phishing-detection",

		"--autoplay-policy=user-gesture-required"}
	if c.cfg.SOCKS != "" {
		args = append(args, "--proxy-server=socks5://"+c.cfg.SOCKS, "--proxy-bypass-list=<-loopback>")
	}
	env := append(os.Environ(), "HOME="+c.dir, "XDG_CONFIG_HOME="+c.dir, "XDG_CACHE_HOME="+c.dir)
	c.conn = newDevtools(to, from, c.requests.event)
	c.process, err = launch(c.ctx, program, c.dir, env, []*os.File{theirIn, theirOut}, append(args, "--no-startup-window")...)
	return err
}

// attach opens the one tab and a session on it.
func (c *Chromium) attach() error {
	var made struct {
		TargetID string `json:"targetId"`
	}
	err := c.conn.call(startup, "Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	if err != nil {
		return err
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	err = c.call("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	if err != nil {
		return err
	}
	c.conn.session = attached.SessionID
	for _, domain := range []string{"Page.enable", "Network.enable"} {
		if err := c.call(domain, nil, nil); err != nil {
			return err
		}
	}
	return c.Resize(c.cfg.Width, c.cfg.Height)
}

// Close kills Chromium and returns when no process of it is left. It may be
// called more than once.
func (c *Chromium) Close() error {
	if c.process != nil {
		c.process.stop()
		c.process = nil
	}
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
	c.cancel()
	if c.cfg.Dir == "" && c.dir != "" {
		return os.RemoveAll(c.dir)
	}
	return nil
}

// call runs one command within Config.Patience.
func (c *Chromium) call(method string, params map[string]any, out any) error {
	if c.conn == nil {
		return errClosed
	}
	if err := c.ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return c.conn.call(c.cfg.Patience, method, params, out)
}

// ItsMakers says whether a host name is one that Chromium asks by itself: its maker, for a few things that no flag
// turns off. The page has no part in it.
func ItsMakers(host string) bool {
	return strings.HasSuffix(host, ".google.com") || strings.HasSuffix(host, ".googleapis.com") || strings.HasSuffix(host, ".gvt1.com")
}
