package link

import "time"

// MaxCaption is the longest caption, in characters (Unicode code points).
const MaxCaption = 200

// MaxViews is the highest view limit of a link.
const MaxViews = 100

// Policy says when a link ends; whatever is reached first ends it.
type Policy struct {
	Expire time.Duration // so long after it was made; 0 means never
	Views  int           // after so many views; 0 means no limit, 1 is "burn after reading"
	Idle   time.Duration // when nobody opened it for so long, in whole hours; 0 means off
}

func (p Policy) check() error {
	if p.Expire < 0 || p.Views < 0 || p.Views > MaxViews || p.Idle < 0 || p.Idle%time.Hour != 0 {
		return ErrPolicy
	}
	return nil
}

// allow holds a policy against what the operator allows, and gives back the one
// that the link gets.
func (l *Links) allow(p Policy) (Policy, error) {
	if err := p.check(); err != nil {
		return p, err
	}
	if l.cfg.MaxExpire > 0 && (p.Expire == 0 || p.Expire > l.cfg.MaxExpire) {
		return p, ErrExpire
	}
	if limit := l.cfg.NeverIdle; limit > 0 && p.Expire == 0 && (p.Idle == 0 || p.Idle > limit) {
		p.Idle = limit
	}
	return p, nil
}

// minuteUp is t in minutes since 1970, rounded up: a stored deadline never cuts
// a link short and never tells the second in which it was made.
func minuteUp(t time.Time) int64 {
	return (t.Unix() + 59 + btoi(t.Nanosecond() > 0)) / 60
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// fromMinute is the inverse of minuteUp; 0 is "never", the zero time.
func fromMinute(m int64) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(m*60, 0).UTC()
}
