package eventlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A MANIFEST is a file of records in blocks of 32 KiB (the log format of LevelDB, doc/log_format.md): each chunk of a
// record is a masked CRC-32C (4 bytes), the length of its payload (2), its place in the record (1) and the payload.
// The first record lists every table, the others say what has changed since.
const (
	manifestBlock  = 32 << 10
	manifestHeader = 7

	wholeRecord = 1 // places of a chunk: all of its record,
	firstChunk  = 2 // or how it begins,
	middleChunk = 3
	lastChunk   = 4 // or how it ends
)

// ErrTables is the ErrDamaged that no Rebuild mends: which tables there are is not known any more.
var ErrTables = fmt.Errorf("%w: the list of tables: bad checksum", ErrDamaged)

// checkManifest refuses a store whose list of tables does not check where no crash can have left it so. Pebble takes
// any record that does not check for one that a crash cut off and goes on with the tables before it, in the worst case
// with none: every link would be forgotten and every payload taken for a left-over. But a crash cuts only the record
// that is being written. What another record follows was on the disk already, and so were the first two, which
// Pebble writes and syncs before the marker names their file.
//
// One bad record remains that cannot be told from a cut one: the last of three or more.
//
// Whoever calls it holds the store's lock: a running store begins new lists, and overwrites old ones.
func checkManifest(fs vfs.FS, dir string) error {
	desc, err := pebble.Peek(dir, fs)
	if err != nil {
		return damaged("looking for the list of tables", err)
	}
	if !desc.Exists {
		return nil
	}
	f, err := fs.Open(desc.ManifestFilename)
	if err != nil {
		return fmt.Errorf("eventlog: opening the list of tables: %w", category(err))
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("eventlog: reading the list of tables: %w", category(err))
	}
	synced := 2
	if fs.PathBase(desc.ManifestFilename) == "MANIFEST-000001" {
		synced = 1
	}
	if records, bad := manifestRecords(b); records < synced || recordBegins(b, bad) {
		return ErrTables
	}
	return nil
}

// manifestRecords counts the records at the beginning of b that check, and says where the first chunk is that does not.
func manifestRecords(b []byte) (n, bad int) {
	within := false
	for at := 0; ; {
		if manifestBlock-at%manifestBlock < manifestHeader {
			at += manifestBlock - at%manifestBlock // too small for a chunk, and filled with zeros
		}
		place, size := chunkAt(b, at)
		if size == 0 || within != (place == middleChunk || place == lastChunk) {
			return n, at
		}
		at += size
		if within = place == firstChunk || place == middleChunk; !within {
			n++
		}
	}
}

// recordBegins says whether anywhere in b from start on, a record begins that checks.
func recordBegins(b []byte, start int) bool {
	for at := start; at < len(b); at++ {
		if place, _ := chunkAt(b, at); place == wholeRecord || place == firstChunk {
			return true
		}
	}
	return false
}

// chunkAt returns the place and the size in bytes, header included, of the chunk at b[at:], zeros when none is there
// that checks.
func chunkAt(b []byte, at int) (place byte, size int) {
	room := min(len(b), at-at%manifestBlock+manifestBlock)
	if at+manifestHeader > room {
		return 0, 0
	}
	size = manifestHeader + int(binary.LittleEndian.Uint16(b[at+4:]))
	if at+size > room {
		return 0, 0
	}
	sum := crc32.Checksum(b[at+6:at+size], crc32.MakeTable(crc32.Castagnoli))
	place = b[at+6]
	if binary.LittleEndian.Uint32(b[at:]) != (sum>>15|sum<<17)+0xa282ead8 || place < wholeRecord || place > lastChunk {
		return 0, 0
	}
	return place, size
}
