package strip

import (
	"encoding/binary"
)

// readInfo reads minf (8.4.4): where the samples are and what they mean. It
// says whether the track is kept.
func (f *mp4File) readInfo(minf mp4Box, t *mp4Track) (bool, error) {
	var dinf, stbl mp4Box
	err := f.children(minf.body, minf.end, func(b mp4Box) error {
		switch b.kind {
		case "dinf":
			return once(&dinf, b)
		case "stbl":
			return once(&stbl, b)
		case "vmhd", "smhd", "hdlr", "nmhd": // rebuilt, or QuickTime's second handler
			return nil
		}
		return f.drop(b)
	})
	if err != nil {
		return false, err
	}
	if stbl.kind == "" {
		return false, damaged("no sample tables")
	}
	local, err := f.readDataReferences(dinf)
	if err != nil {
		return false, err
	}
	return f.readTables(stbl, t, local)
}

// readDataReferences says for every entry of dref (8.7.2), from 1, whether it
// means this file. A file without dref can only mean itself.
func (f *mp4File) readDataReferences(dinf mp4Box) (local []bool, err error) {
	if dinf.kind == "" {
		return []bool{true}, nil
	}
	err = f.children(dinf.body, dinf.end, func(b mp4Box) error {
		if b.kind != "dref" {
			return f.drop(b)
		}
		if local != nil {
			return damaged("two data references")
		}
		if b.len() < 8 {
			return damaged("box too short")
		}
		local = []bool{}
		return f.children(b.body+8, b.end, func(e mp4Box) error {
			_, flags, text, err := f.full(e, 0, 1)
			if err != nil {
				return err
			}
			// Some writers forget the flag but name no other place.
			local = append(local, flags&1 != 0 || e.kind == "url " && (len(text) == 0 || text[0] == 0))
			return nil
		})
	})
	return local, err
}

// readTables reads stbl (8.5).
func (f *mp4File) readTables(stbl mp4Box, t *mp4Track, local []bool) (bool, error) {
	var stsd, stts, ctts, stss, stsc, size, offs mp4Box
	err := f.children(stbl.body, stbl.end, func(b mp4Box) error {
		switch b.kind {
		case "stsd":
			return once(&stsd, b)
		case "stts":
			return once(&stts, b)
		case "ctts":
			return once(&ctts, b)
		case "stss":
			return once(&stss, b)
		case "stsc":
			return once(&stsc, b)
		case "stsz", "stz2":
			return once(&size, b)
		case "stco", "co64":
			return once(&offs, b)
		case "sgpd", "sbgp":
			return f.readRoll(b, t)
		case "senc", "saiz", "saio", "stsh", "sdtp", "cslg", "subs", "padb", "stdp", "stps":
			return nil // say nothing about the sender
		}
		return f.drop(b)
	})
	if err != nil {
		return false, err
	}
	if stsd.kind == "" {
		return false, damaged("no sample description")
	}
	if keep, err := f.readDescriptions(stsd, t, local); err != nil || !keep {
		return false, err
	}
	if stts.kind == "" || stsc.kind == "" || size.kind == "" || offs.kind == "" {
		return false, damaged("a sample table is missing")
	}
	if err := f.readSizes(size, &t.sizes); err != nil {
		return false, err
	}
	if err := f.readChunks(t, stsc, offs); err != nil {
		return false, err
	}
	if err := f.readTimes(t, stts, ctts); err != nil {
		return false, err
	}
	if stss.kind != "" {
		if err := f.readSync(stss, t); err != nil {
			return false, err
		}
		if k := len(t.sync); k > 0 && t.sync[k-1] > t.sizes.n {
			return false, damaged("sync sample past the last one")
		}
	}
	return true, nil
}

// readTimes reads stts and ctts (8.6.1). A table that covers too many samples is
// cut; composition offsets that cover too few are filled up with zero, as
// players do; decoding times must cover all.
func (f *mp4File) readTimes(t *mp4Track, stts, ctts mp4Box) error {
	if err := f.readRuns(stts, &t.times); err != nil {
		return err
	}
	n := uint64(t.sizes.n)
	if t.times.n < n {
		return damaged("samples without a time")
	}
	t.times.cut(n)
	if ctts.kind == "" {
		return nil
	}
	version, _, _, err := f.full(ctts, 4, 4)
	if err != nil {
		return err
	}
	t.shifted, t.signed = true, version != 0
	if err := f.readRuns(ctts, &t.shifts); err != nil {
		return err
	}
	t.shifts.cut(n)
	t.shifts.add(uint32(n-t.shifts.n), 0)
	return nil
}

// readRoll keeps a sample group of kind 'roll' (8.9, 10.1): how many samples a
// decoder must run ahead. Other groups are left out.
func (f *mp4File) readRoll(b mp4Box, t *mp4Track) error {
	version, _, h, err := f.full(b, 8, 12)
	if err != nil {
		return err
	}
	if string(h[:4]) != "roll" {
		return nil
	}
	if b.kind == "sbgp" {
		if version != 0 || t.rollMap != nil {
			return nil
		}
		t.rollMap = []byte{}
		return f.fewRows(b, 4, 8, 1<<16, func(row []byte) error {
			t.rollMap = append(t.rollMap, row...)
			return nil
		})
	}
	if version != 1 || t.roll != nil || binary.BigEndian.Uint32(h[4:]) != 2 {
		return nil
	}
	t.roll = []byte{}
	return f.fewRows(b, 8, 2, 1<<16, func(row []byte) error {
		t.roll = append(t.roll, row...)
		return nil
	})
}

// rollFits says whether the roll group can be written: its map must name only
// entries that exist and cover no more than the samples.
func (t *mp4Track) rollFits() bool {
	if len(t.roll) == 0 || len(t.rollMap) == 0 {
		return false
	}
	var covered uint64
	for b := t.rollMap; len(b) > 0; b = b[8:] {
		covered += uint64(binary.BigEndian.Uint32(b))
		if int64(binary.BigEndian.Uint32(b[4:])) > int64(len(t.roll)/2) {
			return false
		}
	}
	return covered <= uint64(t.sizes.n)
}
