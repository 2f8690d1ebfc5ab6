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
	need := size + size/8 + min(size, l.cfg.MaxFile)
	free, err := l.cfg.Free()
	if err != nil {
		return 0, fmt.Errorf("free room: %w", err)
	}
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
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
