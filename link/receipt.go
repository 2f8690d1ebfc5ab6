package link

import (
	"time"

	"emberdrop/eventlog"
	"emberdrop/seal"
)

// Receipt is what the holder of a receipt token learns about the link.
type Receipt struct {
	State     string        // "unopened", "opened", "held" or "destroyed"
	Views     int           // how often it was opened
	ViewsLeft int           // 0: no limit, or destroyed
	Reason    string        // why it was destroyed: expired, viewed, idle, uploader, operator
	Ends      time.Time     // when it will end by its deadline; zero: never
	Idle      time.Duration // idle limit; 0: none
	At        time.Time     // start of the hour of the last view, or of the end; zero: unopened
	Lapses    time.Time     // when the receipt itself stops answering; zero while the link lives
}

// Receipt tells the state of a link to the holder of its receipt token. The
// error is ErrGone when the receipt has lapsed, was never given out or is malformed.
func (l *Links) Receipt(token string) (Receipt, error) {
	var out Receipt
	err := l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		_, st, err := l.byReceipt(tx, token)
		if err != nil {
			return err
		}
		out, err = l.receipt(st, l.now(tx))
		return err
	})
	return out, err
}

// byReceipt takes the same look-ups for a malformed token as for an unknown one.
func (l *Links) byReceipt(tx *eventlog.Tx, token string) (id eventlog.ID, st state, err error) {
	parsed, malformed := seal.ParseToken(token)
	value, known, err := tx.Get(eventlog.ReceiptKey(parsed.Hash()))
	if err != nil {
		return id, st, err
	}
	copy(id[:], value)
	st, found, err := load(tx, id)
	if err != nil {
		return id, st, err
	}
	if malformed != nil || !known || !found {
		return id, st, ErrGone
	}
	return id, st, nil
}

func (l *Links) receipt(st state, now time.Time) (Receipt, error) {
	out := Receipt{
		Views: st.Opened, ViewsLeft: st.viewsLeft(),
		Ends: fromMinute(st.Deadline), Idle: time.Duration(st.Idle) * time.Hour,
	}
	reason := st.at(now)
	switch {
	case reason != Live:
		end := st.End
		if st.Reason == Live { // due, not yet swept
			minute, _ := st.due()
			end = minute / 60
		}
		out.State, out.Reason, out.ViewsLeft = "destroyed", reason.String(), 0
		out.At = fromHour(end)
		out.Lapses = l.lapses(end)
		if !now.Before(out.Lapses) {
			return Receipt{}, ErrGone
		}
	case st.Held != notHeld:
		out.State, out.Ends = "held", fromMinute(st.Hold)
		if st.Opened > 0 {
			out.At = fromHour(st.Last)
		}
		if minute, _ := st.due(); minute < st.Hold {
			out.Ends = fromMinute(minute)
		}
	case st.Opened > 0:
		out.State, out.At = "opened", fromHour(st.Last)
	default:
		out.State = "unopened"
	}
	return out, nil
}

// lapses is when the receipt of a link that ended in an hour stops answering.
// The hour is all that is kept of the end's time, so the time runs from its end.
func (l *Links) lapses(endHour int64) time.Time {
	return fromHour(endHour + 1).Add(l.cfg.ReceiptTTL)
}

func fromHour(h int64) time.Time { return time.Unix(h*3600, 0).UTC() }

// Destroy ends a link at once, open leases included, on behalf of its uploader.
// Destroying what has ended already is no error. The error is ErrGone when the
// receipt does not answer.
func (l *Links) Destroy(token string) error {
	var id eventlog.ID
	var st state
	err := l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		var err error
		if id, st, err = l.byReceipt(tx, token); err != nil {
			return nil, err
		}
		if _, err := l.receipt(st, tx.Now()); err != nil {
			return nil, err
		}
		return endBy(id, st, tx.Now(), Uploader), nil
	})
	if err != nil {
		return err
	}
	l.finish(id, st.Payload)
	l.endLeases(id)
	return nil
}

// endBy is the event that ends a link, or none when it has ended. A deadline
// that came first is the reason, whoever asks.
func endBy(id eventlog.ID, st state, now time.Time, reason Reason) []eventlog.Draft {
	if st.Reason != Live {
		return nil
	}
	body := ended{Reason: reason}
	if due := st.at(now); due != Live {
		minute, _ := st.due()
		body = ended{Reason: due, Hour: minute / 60}
	}
	return []eventlog.Draft{{Link: id, Type: typeEnded, Data: body}}
}

// finish does what every end of a link does after its event: the answer that
// knew the secret is forgotten and the header page is overwritten. If that fails
// the sweeper, which finds the link as ended, does it again.
func (l *Links) finish(id eventlog.ID, payload string) {
	l.answers.forget(id)
	if err := l.overwriteHeader(id, payload); err != nil {
		l.cfg.Events.Error("the header of an ended link was not overwritten", "room", "link")
	}
	l.stir()
}
