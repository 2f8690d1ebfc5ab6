package browser

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// safest makes stock Firefox ESR behave like Tor Browser at its Safest level,
// as far as preferences can. Source: SecurityLevel.sys.mjs,
// 000-tor-browser.js and 001-base-profile.js of Tor Browser. What NoScript does
// there beyond them is done here by javascript.enabled, downloadable_fonts and
// autoplay; its media placeholders and its prefetch of CSS URLs are not shown.
var safest = [...]struct {
	name  string
	value any
}{
	{"network.proxy.type", 1},
	{"network.proxy.socks_version", 5},
	{"network.proxy.socks_remote_dns", true},
	{"network.proxy.socks5_remote_dns", true},
	{"network.proxy.no_proxies_on", ""},
	{"network.proxy.allow_hijacking_localhost", true},
	{"network.proxy.failover_direct", false},
	{"network.http.max-persistent-connections-per-proxy", 256},
	{"network.dns.blockDotOnion", false},
	{"network.dns.disabled", true},
	{"network.trr.mode", 5},
	{"network.http.http3.enable", false},
	{"dom.securecontext.allowlist_onions", true},
	// Without this one stock Firefox rewrites images on http onions to https.
	{"security.mixed_content.upgrade_display_content", false},
	{"dom.security.https_only_mode", true},
	{"dom.security.https_only_mode_pbm", true},
	{"dom.security.https_only_mode.upgrade_onion", false},
	{"browser.privatebrowsing.autostart", true},
	{"browser.cache.disk.enable", false},
	{"privacy.resistFingerprinting", true},
	{"privacy.resistFingerprinting.letterboxing", true},
	{"privacy.window.maxInnerWidth", 1400},
	{"privacy.window.maxInnerHeight", 900},
	{"privacy.firstparty.isolate", true},
	{"network.cookie.cookieBehavior", 1},
	{"network.cookie.cookieBehavior.pbmode", 1},
	{"network.http.referer.hideOnionSource", true},
	{"network.http.referer.defaultPolicy", 2},
	{"network.http.referer.defaultPolicy.pbmode", 2},
	{"network.http.referer.XOriginTrimmingPolicy", 2},
	{"network.http.speculative-parallel-limit", 0},
	{"network.prefetch-next", false},
	{"network.dns.disablePrefetch", true},
	{"network.predictor.enabled", false},
	{"privacy.globalprivacycontrol.enabled", true},
	{"privacy.globalprivacycontrol.pbmode.enabled", true},
	{"media.peerconnection.enabled", false},
	{"webgl.enable-webgl2", false},
	{"browser.download.useDownloadDir", false},
	{"browser.download.always_ask_before_handling_new_types", true},
	{"dom.serviceWorkers.enabled", false},
	// The security slider.
	{"javascript.options.ion", false},
	{"javascript.options.baselinejit", false},
	{"javascript.options.native_regexp", false},
	{"javascript.options.asmjs", false},
	{"mathml.disabled", true},
	{"svg.disabled", true},
	{"gfx.font_rendering.graphite.enabled", false},
	{"gfx.font_rendering.opentype_svg.enabled", false},
	// Instead of NoScript.
	{"javascript.enabled", false},
	{"gfx.downloadable_fonts.enabled", false},
	{"media.autoplay.default", 5},
	// Not Tor Browser's: no first-run pages, and none of the calls of Firefox's
	// own that Marionette's preferences leave on.
	{"browser.aboutwelcome.enabled", false},
	{"browser.preonboarding.enabled", false},
	{"termsofuse.bypassNotification", true},
	{"browser.startup.page", 0},
	{"app.normandy.enabled", false},
	{"app.shield.optoutstudies.enabled", false},
	{"nimbus.rollouts.enabled", false},
	{"toolkit.telemetry.server", ""},
	{"media.gmp-manager.updateEnabled", false},
	{"media.gmp-manager.url", "data:text/plain,"},
	{"dom.push.serverURL", ""},
}

// Profile makes a profile folder for a person's Firefox ESR: the Safest
// preferences, through a SOCKS5 proxy at host:port.
func Profile(dir, socks string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writePrefs(dir, Config{SOCKS: socks})
}

// writePrefs writes user.js into the profile folder dir.
func writePrefs(dir string, cfg Config) error {
	host, port, err := net.SplitHostPort(cfg.SOCKS)
	if err != nil {
		return fmt.Errorf("SOCKS proxy: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("SOCKS proxy: port %q", port)
	}
	var b strings.Builder
	set := func(name string, value any) { fmt.Fprintf(&b, "user_pref(%q, %#v);\n", name, value) }
	for _, p := range safest {
		set(p.name, p.value)
	}
	set("marionette.port", 0) // any free one; Firefox writes it to MarionetteActivePort
	set("network.proxy.socks", host)
	set("network.proxy.socks_port", int(number))
	// Later lines win over earlier ones.
	if cfg.Script {
		set("javascript.enabled", true)
	}
	if cfg.Width > 0 {
		set("privacy.resistFingerprinting.letterboxing", false)
		set("ui.useOverlayScrollbars", 1) // a scrollbar takes no width, as on a phone
	}
	if cfg.Dark {
		// Tor Browser always says "light", so a dark picture needs this off.
		set("privacy.resistFingerprinting", false)
		set("layout.css.prefers-color-scheme.content-override", 0)
	}
	return os.WriteFile(filepath.Join(dir, "user.js"), []byte(b.String()), 0o600)
}
