package handlers

import "strings"

// Half is the part of the service that is served at an address, where there is one to leave something and another to
// open it. What the other half serves is answered like any address that is not there.
type Half int

const (
	Whole   Half = iota // both
	Opening             // links, leases, receipts: everything but uploads
	Leaving             // uploads, and what explains them
)

// serves says whether a line of the route list belongs to this half. What nobody claims is answered by both, as not
// being there.
func (h Half) serves(pattern string) bool {
	_, path, methods := strings.Cut(pattern, " ")
	if !methods { // the answers to what is not there
		return true
	}
	switch h {
	case Opening:
		return !leaves(path)
	case Leaving:
		return leaves(path) || path == "/how" || path == "/terms" // those are to be read before
	}
	return true
}

// leaves says whether an address is part of leaving something.
func leaves(path string) bool {
	return path == "/{$}" || strings.HasPrefix(path, "/u/") || strings.HasPrefix(path, "/up/") || strings.HasPrefix(path, "/progress/")
}
