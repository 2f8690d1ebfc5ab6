package hook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"strings"

	"emberdrop/match"
)

// Classifier is a program of the operator's that puts labels on files. The
// protocol, one file for each connection:
//
//	we send   emberdrop/1 SP media type SP size in bytes, decimal, LF
//	          the file, as it will be stored; then we close our side
//	it sends  one JSON object, {"labels": {"violence": 0.93}}, and closes
//
// A label is 1 to 64 of a-z, 0-9, "-", "_" and "."; a score is from 0 to 1.
// There may be up to 100, or none. It must read the file before it answers.
// Anything else, {"error": "..."} included, is match.ErrNotScanned.
type Classifier struct{ Config }

// Labels are what a classifier says: a score from 0 to 1 for each label.
type Labels map[string]float64

// Ask sends size bytes of r and returns the answer. kind is a media type
// without parameters. Every error wraps match.ErrNotScanned.
func (c Classifier) Ask(ctx context.Context, kind string, r io.Reader, size int64) (Labels, error) {
	if kind == "" || strings.ContainsFunc(kind, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, refused("not a media type")
	}
	conn, done, err := c.dial(ctx, size)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := send(conn, kind, r, size); err != nil {
		return nil, err
	}
	return labels(conn)
}

func send(conn *net.UnixConn, kind string, r io.Reader, size int64) error {
	if _, err := fmt.Fprintf(conn, "emberdrop/1 %s %d\n", kind, size); err != nil {
		return refused("cut off")
	}
	buffer := make([]byte, 64<<10)
	defer clear(buffer)
	sent, err := io.CopyBuffer(struct{ io.Writer }{conn}, io.LimitReader(r, size), buffer)
	if err != nil || sent != size || conn.CloseWrite() != nil {
		return refused("cut off")
	}
	return nil
}

func labels(conn io.Reader) (Labels, error) {
	text, err := io.ReadAll(io.LimitReader(conn, maxAnswer+1))
	if err != nil {
		return nil, refused("no answer")
	}
	var answer struct {
		Labels Labels `json:"labels"`
	}
	strict := json.NewDecoder(strings.NewReader(string(text)))
	strict.DisallowUnknownFields()
	if len(text) > maxAnswer || strict.Decode(&answer) != nil || answer.Labels == nil || len(answer.Labels) > 100 {
		return nil, refused("not an answer")
	}
	if _, err := strict.Token(); err != io.EOF {
		return nil, refused("not an answer")
	}
	for label, score := range answer.Labels {
		if len(label) == 0 || len(label) > 64 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" ||
			math.IsNaN(score) || score < 0 || score > 1 {
			return nil, refused("not a label")
		}
	}
	return answer.Labels, nil
}

// Rule is what to do when a label's score reaches At, from 0 to 1.
type Rule struct {
	Label  string
	At     float64
	Action match.Action
}

// Judge applies rules to what Ask returned: the greatest action of those that
// are met. If there was no answer it is at least match.Hold.
func Judge(rules []Rule, labels Labels, err error) match.Action {
	action := match.Pass
	if err != nil {
		action = match.Hold
	}
	for _, r := range rules {
		if score, ok := labels[r.Label]; ok && score >= r.At {
			action = max(action, r.Action)
		}
	}
	return action
}
