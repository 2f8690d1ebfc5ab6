// Demo shows emberdrop's main job on a private Tor network on this machine, no
// internet needed: it shares a photo, opens it once, shows that it is gone, and
// stays up so that a browser can look.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
	"emberdrop/tests/tornet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// demo is the whole show; everything it makes is in one folder that goes at the end.
func demo(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "emberdrop-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	say("starting a private Tor network on this machine (6 relays, about 10 seconds)")
	network, err := tornet.Start(ctx, tornet.Config{Dir: filepath.Join(dir, "net")})
	if err != nil {
		return err
	}
	defer network.Close()

	server, err := serve(ctx, dir, network)
	if err != nil {
		return err
	}
	defer server.Stop()

	if err := share(ctx, network.SOCKS(), server.Address); err != nil {
		return err
	}
	profile := filepath.Join(dir, "firefox")
	if err := browser.Profile(profile, network.SOCKS()); err != nil {
		return err
	}
	fmt.Printf("\naddress:     %s\nSOCKS port:  %s\n", server.Address, network.SOCKS())
	fmt.Printf("to look at it in a browser (JavaScript off, as in Tor Browser's Safest level):\n\n  firefox-esr --no-remote --profile %s %s\n\nCtrl-C ends the demo and removes everything.\n", profile, server.Address)
	<-ctx.Done()
	return nil
}

func serve(ctx context.Context, dir string, network *tornet.Network) (*instance.Instance, error) {
	say("building emberdrop and making a throwaway data folder")
	program, err := instance.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := instance.Init(ctx, program, data); err != nil {
		return nil, err
	}
	torrc := filepath.Join(dir, "torrc")
	if err := os.WriteFile(torrc, []byte(network.Torrc()), 0o600); err != nil {
		return nil, err
	}
	say("publishing the onion service")
	return instance.Serve(ctx, instance.Config{Program: program, Data: data, Args: []string{"--torrc-extra", torrc}, Log: progressOnly{}})
}

// progressOnly passes on the server's lines about tor's progress; its log is for operators.
type progressOnly struct{}

func (progressOnly) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if strings.HasPrefix(line, "tor: ") {
			fmt.Print("  " + line)
		}
	}
	return len(p), nil
}

// share uploads a photo, reveals its link, and tries again.
func share(ctx context.Context, socks, address string) error {
	client, err := instance.ViaSOCKS(socks)
	if err != nil {
		return err
	}
	photo := sample.Photo(1600, 1200, 13)
	say("uploading a photo of %d KB with a place, a camera and a name in its metadata, to burn after reading", len(photo)/1000)
	// A published service can take a client a second circuit; an upload is not for trying.
	for range 60 {
		if _, err = client.Get(ctx, address+"/"); err == nil {
			break
		}
		time.Sleep(time.Second)
	}
	up, err := client.Upload(ctx, address+"/", instance.File("holiday.jpg", photo), instance.Text("burn", "on"))
	if err != nil {
		return err
	}
	if up.Status != 201 {
		return fmt.Errorf("upload: status %d: %s", up.Status, up.Body)
	}
	fmt.Printf("\n%s\n", indent(up.Body))

	link := up.Line("link")
	first, err := client.Post(ctx, link, nil)
	if err != nil {
		return err
	}
	if first.Status != 200 {
		return fmt.Errorf("reveal: status %d: %s", first.Status, first.Body)
	}
	say("opened once:  %d, %d KB of %s", first.Status, len(first.Body)/1000, first.Header.Get("Content-Type"))
	for _, canary := range sample.Canaries {
		if bytes.Contains(first.Body, []byte(canary)) {
			return fmt.Errorf("the photo still says %q", canary)
		}
	}
	say("              no place, camera, name, time or comment is left in it")
	second, err := client.Post(ctx, link, nil)
	if err != nil {
		return err
	}
	say("opened again: %d", second.Status)
	receipt, err := client.Get(ctx, up.Line("receipt"))
	if err != nil {
		return err
	}
	say("the receipt says %q", strings.SplitN(string(receipt.Body), "\n", 2)[0])
	return nil
}

func say(format string, args ...any) { fmt.Printf("- "+format+"\n", args...) }

func indent(body []byte) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", "\n    ") + "\n"
}
