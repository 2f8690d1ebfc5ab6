package link

import (
	"fmt"
	"sync"
)

// room keeps uploads from filling the disk: each one reserves what it may need
// before its first byte, so that many at once cannot pass together what one by
// one they could not.
type room struct {
	mu       sync.Mutex
	reserved int64 // bytes that uploads under way may still write
}

// overhead is what a payload holds besides its items, and then some: the header
// page, the manifest and the trailer, which a small upload consists of mostly.
const overhead = 16 << 10

// reserve takes room for an upload that announces size bytes, or nothing (0). It
// returns what it took. The error is ErrFull when the disk would be left with
// less than the floor.
func (l *Links) reserve(size int64) (int64, error) {
	if l.cfg.Free == nil {
		return 0, nil
	}
	if size <= 0 || size > l.cfg.MaxUpload {
		size = l.cfg.MaxUpload
	}
	// The payload with its padding (Padmé adds less than an eighth), and one
	// staged file at a time beside it.
	need := size + size/8 + min(size, l.cfg.MaxFile) + overhead
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	// Under the lock: an upload that ended after an earlier look would have given
	// back its reservation, while the look still counted its bytes as free.
	free, err := l.cfg.Free()
	if err != nil {
		return 0, fmt.Errorf("free room: %w", err)
	}
	if free-l.room.reserved-need < l.cfg.Floor {
		return 0, ErrFull
	}
	l.room.reserved += need
	return need, nil
}

func (l *Links) release(reserved int64) {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	l.room.reserved -= reserved
}
