//go:build emberdrop_ahead

package main

import (
	"os"
	"time"
)

// clock runs ahead by EMBERDROP_AHEAD: in this build, which only tests make, a
// week goes by at once.
func clock() time.Time {
	ahead, _ := time.ParseDuration(os.Getenv("EMBERDROP_AHEAD"))
	return time.Now().Add(ahead)
}
