package match

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
)

// ncmecRecord is an image or a video of NCMEC's hash sharing API, version 2
// (report.cybertip.org/hashsharing/v2/documentation.pdf), or the tombstone of
// one: an id of one member, and its fingerprints by kind.
type ncmecRecord struct {
	Member struct {
		ID string `xml:"id,attr"`
	} `xml:"member"`
	ID           string `xml:"id"`
	Fingerprints struct {
		All []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	} `xml:"fingerprints"`
}

// ncmecElement says what an element is, and whether it is a tombstone.
func ncmecElement(name string) (what string, deleted, ok bool) {
	switch name {
	case "image", "video":
		return name, false, true
	case "deletedImage":
		return "image", true, true
	case "deletedVideo":
		return "video", true, true
	}
	return "", false, false
}

func (t *table) readNCMEC(src io.Reader) error {
	doc := xml.NewDecoder(src)
	depth := 0
	for {
		token, err := doc.Token()
		if errors.Is(err, io.EOF) && depth == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch element := token.(type) {
		case xml.StartElement:
			what, deleted, ok := ncmecElement(element.Name.Local)
			if !ok {
				if depth == 0 && element.Name.Local != "queryResult" {
					return ErrFormat
				}
				depth++
				continue
			}
			var r ncmecRecord
			if err := doc.DecodeElement(&r, &element); err != nil {
				return err
			}
			t.recordNCMEC(what, deleted, r)
		case xml.EndElement:
			depth--
		}
	}
}

func (t *table) recordNCMEC(what string, deleted bool, r ncmecRecord) {
	if r.ID == "" {
		t.skip(SkippedMalformed)
		return
	}
	now := listed{withdrawn: deleted}
	if !deleted {
		for _, f := range r.Fingerprints.All {
			if e, ok := t.read(f.XMLName.Local, f.Text); ok {
				now.entries = append(now.entries, e)
			}
		}
	}
	t.records[what+"\x00"+r.Member.ID+"\x00"+r.ID] = now
}

// stopNCIIRecord is one hash of StopNCII's FetchHashes API. A hash may come
// again; then the later record holds.
type stopNCIIRecord struct {
	SignalType string `json:"signalType"`
	HashValue  string `json:"hashValue"`
	HashStatus string `json:"hashStatus"`
}

// readStopNCII reads answers, or bare arrays of records, record by record.
func (t *table) readStopNCII(src io.Reader) error {
	doc := json.NewDecoder(src)
	for {
		token, err := doc.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('['):
			err = t.stopNCIIRecords(doc)
		case json.Delim('{'):
			err = t.stopNCIIAnswer(doc)
		default:
			err = ErrFormat
		}
		if err != nil {
			return err
		}
	}
}

// stopNCIIAnswer reads an object from behind its brace.
func (t *table) stopNCIIAnswer(doc *json.Decoder) error {
	for doc.More() {
		key, err := doc.Token()
		if err != nil {
			return err
		}
		if key != "hashRecords" {
			var other json.RawMessage
			if err := doc.Decode(&other); err != nil {
				return err
			}
			continue
		}
		if token, err := doc.Token(); err != nil || token != json.Delim('[') {
			return ErrFormat
		}
		if err := t.stopNCIIRecords(doc); err != nil {
			return err
		}
	}
	_, err := doc.Token()
	return err
}

// stopNCIIRecords reads an array from behind its bracket.
func (t *table) stopNCIIRecords(doc *json.Decoder) error {
	for doc.More() {
		var r stopNCIIRecord
		if err := doc.Decode(&r); err != nil {
			return err
		}
		now := listed{withdrawn: r.HashStatus == "Withdrawn" || r.HashStatus == "Deleted"}
		if !now.withdrawn {
			e, ok := t.read(r.SignalType, r.HashValue)
			if !ok {
				continue
			}
			now.entries = []Entry{e}
		}
		t.records[r.SignalType+"\x00"+r.HashValue] = now
	}
	_, err := doc.Token()
	return err
}
