//go:build !emberdrop_ahead

package main

import "time"

// clock is the time that links end by.
func clock() time.Time { return time.Now() }
