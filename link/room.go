package link

import (
	"fmt"
	"sync"
	"time"

	"emberdrop/eventlog"
	"emberdrop/vault"
)

// room keeps uploads from filling the disk or the quota: each one reserves what
// it may need before its first byte, so that many at once cannot pass together
// what one by one they could not. What is stored is counted from the log once,
// and from then on moves with every command that stores or shreds.
type room struct {
	mu       sync.Mutex
	counted  bool  // stored and lasting have been taken from the log
	stored   int64 // bytes of all payloads that are not shredded, padding included
	lasting  int64 // those of them whose link has no deadline
	reserved int64 // bytes that uploads under way may still store
	staged   int64 // bytes that they may put aside meanwhile

	short time.Time // when an upload was last refused for what others had reserved, by the steady clock; zero: never
}

// claim is what one upload has reserved.
type claim struct {
	payload int64 // of the quota
	stage   int64 // of what may be put aside, and overhead
}

// overhead is what an upload writes besides its payload and one staged file: its
// event in the log, and then some.
const overhead = 16 << 10

// Room is how much of the budgets for stored bytes is in use.
type Room struct {
	Stored   int64 // bytes of payloads, padding included, until they are shredded
	Lasting  int64 // those of them whose link has no deadline
	Reserved int64 // bytes set aside for uploads under way
	Quota    int64 // the most that Stored and Reserved may be together; 0: no limit
}

// Room tells how much of the quota is in use.
func (l *Links) Room() (Room, error) {
	if err := l.count(); err != nil {
		return Room{}, err
	}
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	return Room{l.room.stored, l.room.lasting, l.room.reserved, l.cfg.Quota}, nil
}

// count takes what is stored from the log. Whoever is about to change it calls
// this first, so that a change is either in what was counted or comes after it.
func (l *Links) count() error {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	if l.room.counted {
		return nil
	}
	stored, lasting, err := l.weigh()
	if err != nil {
		return err
	}
	l.room.stored, l.room.lasting, l.room.counted = stored, lasting, true
	return nil
}

// weigh adds up what the log says is stored.
func (l *Links) weigh() (stored, lasting int64, err error) {
	err = l.each(func(_ eventlog.ID, st state) {
		if st.Gone {
			return
		}
		stored += st.Size
		if st.lasts() {
			lasting += st.Size
		}
	})
	return stored, lasting, err
}

// reserve takes room for an upload that announces size bytes, or nothing (0). The
// error is ErrFull when quota or disk have no room for it, ErrBusy when too much
// is being put aside by others just now.
func (l *Links) reserve(size int64) (c claim, err error) {
	if err := l.count(); err != nil {
		return c, err
	}
	if size <= 0 || size > l.cfg.MaxUpload {
		size = l.cfg.MaxUpload
	}
	c = claim{payload: vault.Bound(size), stage: min(size, max(l.cfg.MaxFile, l.cfg.MaxPassFile)) + overhead}
	r := &l.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.cfg.Quota > 0 && r.stored+r.reserved+c.payload > l.cfg.Quota {
		r.crowded(r.stored+c.payload <= l.cfg.Quota)
		return claim{}, ErrFull
	}
	if l.cfg.MaxStaged > 0 && r.staged > 0 && r.staged+c.stage > l.cfg.MaxStaged {
		r.crowded(true)
		return claim{}, ErrBusy
	}
	if l.cfg.Free != nil {
		// Under the lock: an upload that ended after an earlier look would have given
		// back its reservation, while the look still counted its bytes as free.
		free, err := l.cfg.Free()
		if err != nil {
			return claim{}, fmt.Errorf("free room: %w", err)
		}
		if free-r.reserved-r.staged-c.payload-c.stage < l.cfg.Floor {
			r.crowded(free-c.payload-c.stage >= l.cfg.Floor)
			return claim{}, ErrFull
		}
	}
	r.reserved += c.payload
	r.staged += c.stage
	return c, nil
}

// crowded notes that an upload was refused, if it would have fitted without what
// others have reserved. The caller holds mu.
func (r *room) crowded(fits bool) {
	if fits {
		r.short = time.Now()
	}
}

// wanted reports whether an upload was refused for what others have reserved, so
// lately that whoever brought it may be about to try again.
func (r *room) wanted(within time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.short.IsZero() && time.Since(r.short) < within
}

// release gives back what an upload had reserved.
func (l *Links) release(c claim) {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	l.room.reserved -= c.payload
	l.room.staged -= c.stage
}

// settle puts what an upload has become in the place of what it had reserved. The
// error is ErrFull when it has become more, and that does not fit; ErrFullNever
// when it is one more link without a deadline, and those have no room left.
// After an error the claim stands.
func (l *Links) settle(c claim, size int64, lasts bool) error {
	r := &l.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.cfg.Quota > 0 && size > c.payload && r.stored+r.reserved-c.payload+size > l.cfg.Quota {
		return ErrFull
	}
	if lasts {
		if !l.fitsNever(size) {
			return ErrFullNever
		}
		r.lasting += size
	}
	r.stored += size
	r.reserved -= c.payload
	r.staged -= c.stage
	return nil
}

// fitsNever reports whether links without a deadline may fill size bytes more.
// The caller holds room.mu.
func (l *Links) fitsNever(size int64) bool {
	return l.cfg.NeverQuota == 0 || l.room.lasting+size <= l.cfg.NeverQuota
}

// freed gives back what a payload that is shredded, or was never published, took.
func (l *Links) freed(size int64, lasts bool) {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	l.room.stored -= size
	if lasts {
		l.room.lasting -= size
	}
}
