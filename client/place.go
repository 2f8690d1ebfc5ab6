package client

import (
	"fmt"
	"net/url"
	"strings"

	"emberdrop/seal"
)

// Origin is the server that an address names: an onion address, with or without
// http:// in front, or an https:// one. Plain HTTP to anything else would be
// readable for whoever runs the exit. The error is ErrAddress.
func Origin(address string) (string, error) {
	u, err := parse(address)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host, nil
}

func parse(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%w: write it as http://….onion", ErrAddress)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && strings.HasSuffix(u.Hostname(), ".onion")) {
		return nil, fmt.Errorf("%w of an onion service, nor https", ErrAddress)
	}
	return u, nil
}

// Place is where a link, or an opened one, can be asked for.
type Place struct {
	Server string // for Config
	Opened bool   // it is the address of a lease
	path   string
}

// String is the address, for a person who is to use it again.
func (p Place) String() string { return p.Server + p.path }

// Split takes a link, or the address of an opened one, apart: where it is, and
// what stands behind the #. The error is ErrAddress.
func Split(link string) (at Place, fragment string, err error) {
	link, fragment, _ = strings.Cut(link, "#")
	u, err := parse(link)
	if err != nil {
		return Place{}, "", err
	}
	root, token, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if _, bad := seal.ParseToken(token); bad != nil || root != "s" && root != "v" {
		return Place{}, "", fmt.Errorf("%w of a link: those end in /s/ and 52 letters and digits", ErrAddress)
	}
	return Place{u.Scheme + "://" + u.Host, root == "v", "/" + root + "/" + token}, fragment, nil
}
